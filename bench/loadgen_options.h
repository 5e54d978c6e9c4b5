/* Command line of loadgen.c and the request it sends again and again. */
#ifndef LOADGEN_OPTIONS_H
#define LOADGEN_OPTIONS_H
#include "answers.h"
#include <getopt.h>

static struct {
    const char *mode, *path, *key, *body_file;
    char extra[2048];
    int port;
    long connections, requests, streams, chunks;
    double seconds, rate, ramp_ms, warmup_ms, timeout;
    bool renew, hold;
    enum wire answers;
} option = {.path = "/v1/chat/completions", .connections = 32, .streams = 100, .timeout = 60};
static bool is_stream, is_open;
static struct buffer request;

static void add_header(char *text) {
    size_t at = strlen(option.extra);
    snprintf(option.extra + at, sizeof option.extra - at, "%s\r\n", text);
}

static void set_answers(const char *wire) {
    option.answers = strcmp(wire, "messages") == 0 ? MESSAGES : CHAT;
    if (option.answers == MESSAGES || strcmp(wire, "chat") == 0) return;
    fprintf(stderr, "loadgen: --answers is chat or messages, not %s\n", wire);
    exit(2);
}

/* Fills `option`; exits with 2 on a wrong command line. */
static void parse_options(int argc, char **argv) {
    static const struct option names[] = {
        {"port", 1, 0, 'p'},    {"body", 1, 0, 'b'},      {"path", 1, 0, 'u'},    {"key", 1, 0, 'k'},
        {"header", 1, 0, 'h'},  {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'}, {"requests", 1, 0, 'n'},
        {"rate", 1, 0, 'r'},    {"streams", 1, 0, 'S'},   {"chunks", 1, 0, 'C'},  {"ramp-ms", 1, 0, 'm'},
        {"renew", 0, 0, 'R'},   {"hold", 0, 0, 'H'},      {"warmup-ms", 1, 0, 'w'}, {"timeout", 1, 0, 't'},
        {"answers", 1, 0, 'a'}, {0, 0, 0, 0}};
    for (int ch; (ch = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (ch) {
        case 'p': option.port = atoi(optarg); break;
        case 'b': option.body_file = optarg; break;
        case 'u': option.path = optarg; break;
        case 'k': option.key = optarg; break;
        case 'h': add_header(optarg); break;
        case 'c': option.connections = atol(optarg); break;
        case 's': option.seconds = atof(optarg); break;
        case 'n': option.requests = atol(optarg); break;
        case 'r': option.rate = atof(optarg); break;
        case 'S': option.streams = atol(optarg); break;
        case 'C': option.chunks = atol(optarg); break;
        case 'm': option.ramp_ms = atof(optarg); break;
        case 'R': option.renew = true; break;
        case 'H': option.hold = true; break;
        case 'w': option.warmup_ms = atof(optarg); break;
        case 't': option.timeout = atof(optarg); break;
        case 'a': set_answers(optarg); break;
        default: exit(2);
        }
    }
    option.mode = optind < argc ? argv[optind] : "";
    is_stream = strcmp(option.mode, "stream") == 0;
    is_open = strcmp(option.mode, "open") == 0;
    if ((!is_stream && !is_open && strcmp(option.mode, "closed") != 0) || !option.port || !option.body_file ||
        (is_open && option.rate <= 0)) {
        fprintf(stderr, "loadgen: see the comment at the top of loadgen.c for its options\n");
        exit(2);
    }
}

/* Fills `request`: head and the bytes of --body. */
static void make_request(void) {
    struct buffer body = {0};
    char head[4096], part[65536];
    FILE *file = fopen(option.body_file, "rb");
    if (!file) die(option.body_file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) append(&body, part, n);
    fclose(file);
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                       "Accept: %s\r\nUser-Agent: loadgen\r\n%s%s%s%sContent-Length: %zu\r\n\r\n",
                       option.path, option.port, is_stream ? "text/event-stream" : "application/json",
                       option.key ? "Authorization: Bearer " : "", option.key ? option.key : "",
                       option.key ? "\r\n" : "", option.extra, body.len);
    append(&request, head, (size_t)len);
    append(&request, body.data, body.len);
    free(body.data);
}
#endif
