/* Scripted OpenAI-chat upstream, one epoll thread. What it answers follows from the body's model name
 * (a prefix up to '/' is ignored), so it works behind gateways that pass nothing but the body:
 *   answer                  one JSON answer of about 1 KB with usage
 *   answer-after-MS         the same after so many milliseconds
 *   stream-N                N chunks as fast as the reader takes them (burst), usage chunk, [DONE]
 *   stream-N-pace-MS        the first at once, then one every MS milliseconds in a random phase
 *   anything else           stream-100 if the body says "stream":true, answer otherwise
 * Every chunk carries its number and the clock: " @000042:0000123456789012345" (CLOCK_MONOTONIC, ns).
 * GET /stats tells what was sent; any other GET gets a small 200. Usage: upstream PORT */
#include "due_heap.h"

#define READ_STEP 262144
#define BURST_STEP 65536 /* a burst keeps about this much waiting in our own buffer */
#define ANSWER_TOKENS 200
#define ID "chatcmpl-bench00000000"
#define CHUNK_HEAD                                                                             \
    "{\"id\":\"" ID "\",\"object\":\"chat.completion.chunk\",\"created\":1760000000," \
    "\"model\":\"fast-1\","

static struct {
    unsigned long requests, answers, streams, finished, aborted, chunks, refused, bytes_in, bytes_out;
    unsigned long prompt_tokens, completion_tokens;
    long open;
} stats;

static int epoll_fd, listen_fd;
static struct conn *free_list;
static char chunk_text[512];
static size_t chunk_len, chunk_mark, chunk_id;
static char filler[700];

/* Freed only after the batch of events: a later event of the batch never sees a recycled conn. */
static void close_conn(struct conn *c) {
    if (c->fd < 0) return;
    if (c->streaming) {
        stats.aborted++;
        stats.open--;
    }
    heap_remove(c);
    close(c->fd);
    c->fd = -1;
    c->next_free = free_list;
    free_list = c;
}

static void free_closed(void) {
    while (free_list) {
        struct conn *c = free_list;
        free_list = c->next_free;
        free(c->in.data);
        free(c->out.data);
        free(c);
    }
}

static void flush(struct conn *c) {
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, 0);
        if (n < 0) {
            if (errno == EAGAIN) break;
            close_conn(c);
            return;
        }
        c->sent += (size_t)n;
        stats.bytes_out += (unsigned long)n;
    }
    bool waiting = c->sent < c->out.len;
    if (!waiting) c->out.len = c->sent = 0;
    if (waiting != c->want_write) {
        c->want_write = waiting;
        watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLRDHUP | (waiting ? EPOLLOUT : 0), c);
    }
    if (!waiting && !c->streaming && c->close_after) close_conn(c);
}

/* Every stream has an id of its own, as a provider's: its last eight digits. */
static void number_id(struct conn *c, char *end) {
    unsigned long number = c->serial;
    for (int i = 1; i <= 8; i++, number /= 10) end[-i] = (char)('0' + number % 10);
}

static void append_event(struct conn *c, const char *json) {
    char text[1024];
    int len = snprintf(text, sizeof text, "data: %s\n\n", json);
    char frame[1100];
    size_t size = (size_t)snprintf(frame, sizeof frame, "%x\r\n%s\r\n", len, text);
    char *id = strstr(frame, ID);
    if (id) number_id(c, id + strlen(ID));
    append(&c->out, frame, size);
}

static void make_chunk_text(void) {
    const char *event =
        "data: " CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
        " @000000:0000000000000000000\"},\"finish_reason\":null}]}\n\n";
    chunk_len = (size_t)snprintf(chunk_text, sizeof chunk_text, "%zx\r\n%s\r\n", strlen(event), event);
    chunk_mark = (size_t)(strchr(chunk_text, '@') - chunk_text) + 1;
    chunk_id = (size_t)(strstr(chunk_text, ID) - chunk_text) + strlen(ID);
}

static void append_chunk(struct conn *c, int64_t now) {
    append(&c->out, chunk_text, chunk_len);
    char *chunk = c->out.data + c->out.len - chunk_len;
    number_id(c, chunk + chunk_id);
    char *mark = chunk + chunk_mark;
    long number = c->next++;
    for (int i = 5; i >= 0; i--, number /= 10) mark[i] = (char)('0' + number % 10);
    for (int i = 25; i >= 7; i--, now /= 10) mark[i] = (char)('0' + now % 10);
    stats.chunks++;
}

static void append_tail(struct conn *c) {
    char usage[400];
    append_event(c, CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}");
    snprintf(usage, sizeof usage,
             CHUNK_HEAD
             "\"choices\":[],\"usage\":{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,"
             "\"total_tokens\":%ld}}",
             c->prompt_tokens, c->chunks, c->prompt_tokens + c->chunks);
    append_event(c, usage);
    append_event(c, "[DONE]");
    append(&c->out, "0\r\n\r\n", 5);
    c->streaming = false;
    stats.open--;
    stats.finished++;
    stats.prompt_tokens += (unsigned long)c->prompt_tokens;
    stats.completion_tokens += (unsigned long)c->chunks;
}

static void answer(struct conn *c);

/* Sends what is due: an answer that was held back, one chunk of a paced stream, or a burst until the reader is behind. */
static void pump(struct conn *c, int64_t now) {
    if (c->late) {
        c->late = false;
        answer(c);
        return;
    }
    if (c->paced) {
        if (c->next < c->chunks && c->out.len < 1000000) append_chunk(c, now);
        if (c->next >= c->chunks) {
            append_tail(c);
        } else {
            c->due += c->pace;
            if (c->due < now - c->pace) c->due = now + c->pace; /* no catching up after a stall */
            heap_add(c);
        }
        flush(c);
        return;
    }
    do {
        while (c->next < c->chunks && c->out.len - c->sent < BURST_STEP) append_chunk(c, now);
        if (c->next >= c->chunks) append_tail(c);
        flush(c);
    } while (c->fd >= 0 && c->streaming && !c->want_write);
}

static void start_stream(struct conn *c, long chunks, long pace_ms) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
        "X-Request-Id: bench\r\nTransfer-Encoding: chunked\r\n\r\n";
    append(&c->out, head, sizeof head - 1);
    c->streaming = true;
    c->chunks = chunks;
    c->next = 0;
    c->paced = pace_ms > 0;
    c->pace = pace_ms * MS;
    c->serial = ++stats.streams;
    stats.open++;
    c->due = now_ns() - (int64_t)((double)c->pace * rand() / RAND_MAX);
    pump(c, now_ns()); /* the head leaves with the first chunk, as a model's does */
}

static void answer_json(struct conn *c, const char *body) {
    char head[200];
    size_t len = strlen(body);
    append(&c->out, head,
           (size_t)snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: bench\r\n"
                            "Content-Length: %zu\r\n\r\n", len));
    append(&c->out, body, len);
    flush(c);
}

static void answer(struct conn *c) {
    char body[1500];
    snprintf(
        body, sizeof body,
        "{\"id\":\"chatcmpl-bench%08lx\",\"object\":\"chat.completion\",\"created\":1760000000,"
        "\"model\":\"fast-1\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"%s the-end\"},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%ld,"
        "\"completion_tokens\":%d,\"total_tokens\":%ld}}",
        stats.requests & 0xffffffff, filler, c->prompt_tokens, ANSWER_TOKENS,
        c->prompt_tokens + ANSWER_TOKENS);
    stats.answers++;
    stats.prompt_tokens += (unsigned long)c->prompt_tokens;
    stats.completion_tokens += ANSWER_TOKENS;
    answer_json(c, body);
}

static void answer_stats(struct conn *c) {
    char body[600];
    snprintf(
        body, sizeof body,
        "{\"requests\":%lu,\"answers\":%lu,\"streams\":%lu,\"finished\":%lu,\"aborted\":%lu,\"open\":%ld,"
        "\"chunks\":%lu,\"refused\":%lu,\"bytes_in\":%lu,\"bytes_out\":%lu,\"prompt_tokens\":%lu,"
        "\"completion_tokens\":%lu}\n",
        stats.requests, stats.answers, stats.streams, stats.finished, stats.aborted, stats.open, stats.chunks,
        stats.refused, stats.bytes_in, stats.bytes_out, stats.prompt_tokens, stats.completion_tokens);
    answer_json(c, body);
}

/* Copies the string value of a top-level-looking "model" key without its prefix; false if there is none. */
static bool model_name(const char *body, size_t len, char *name, size_t size) {
    const char *end = body + len, *p = memmem(body, len, "\"model\"", 7);
    if (!p) return false;
    for (p += 7; p < end && (*p == ' ' || *p == ':'); p++) continue;
    const char *quote = p < end && *p == '"' ? memchr(p + 1, '"', end - p - 1) : NULL;
    if (!quote || (size_t)(quote - p) > size) return false;
    for (const char *q = p; q < quote; q++)
        if (*q == '/') p = q;
    memcpy(name, p + 1, quote - p - 1);
    name[quote - p - 1] = 0;
    return true;
}

static void chat(struct conn *c, const char *body, size_t len) {
    char name[128];
    long chunks = 100, pace = 0, after = 0;
    stats.requests++;
    c->prompt_tokens = (long)(len / 4);
    if (!model_name(body, len, name, sizeof name)) {
        stats.refused++;
        static const char bad[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        append(&c->out, bad, sizeof bad - 1);
        flush(c);
    } else if (strcmp(name, "answer") == 0) {
        answer(c);
    } else if (sscanf(name, "answer-after-%ld", &after) == 1) {
        c->late = true;
        c->due = now_ns() + after * MS;
        heap_add(c);
    } else if (sscanf(name, "stream-%ld-pace-%ld", &chunks, &pace) >= 1 ||
               memmem(body, len, "\"stream\":true", 13) || memmem(body, len, "\"stream\": true", 14)) {
        start_stream(c, chunks, pace);
    } else {
        answer(c);
    }
}

/* Decodes a chunked request body in place. Returns its raw length, 0 if it is not all there, -1 if bad. */
static long dechunk(char *raw, size_t len, size_t *decoded) {
    size_t at = 0;
    *decoded = 0;
    for (;;) {
        char *line = memchr(raw + at, '\n', len - at), *stop;
        if (!line) return 0;
        unsigned long size = strtoul(raw + at, &stop, 16);
        if (stop == raw + at || size > 1UL << 30) return -1;
        at = (size_t)(line - raw) + 1;
        if (len - at < size + 2) return 0;
        if (size == 0) return (long)at + 2;
        memmove(raw + *decoded, raw + at, size);
        *decoded += size;
        at += size + 2;
    }
}

/* Handles one whole request at the front of the buffer. False: there is none yet, or conn is gone or busy. */
static bool handle_request(struct conn *c) {
    char *start = c->in.data;
    char *blank = memmem(start, c->in.len, "\r\n\r\n", 4);
    if (!blank || c->streaming) return false;
    char *body = blank + 4;
    size_t have = c->in.len - (size_t)(body - start), len = 0, raw;
    const char *value = header(start, blank, "content-length:");
    if (value) len = strtoul(value, NULL, 10);
    const char *coding = header(start, blank, "transfer-encoding:");
    raw = len;
    const char *expect = header(start, blank, "expect:");
    if (coding) {
        /* Decoding happens in place, so only a complete body may be touched: it ends with an empty chunk. */
        if (have < 5 || memcmp(body + have - 5, "0\r\n\r\n", 5) != 0) return false;
        long used = dechunk(body, have, &len);
        if (used <= 0) {
            close_conn(c);
            return false;
        }
        raw = (size_t)used;
    } else if (have < len) {
        reserve(&c->in, (size_t)(body - start) + len + 1);
        if (expect && have == 0) (void)!send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0);
        return false;
    }
    const char *connection = header(start, blank, "connection:");
    c->close_after = connection && strncasecmp(connection, "close", 5) == 0;
    if (strncmp(start, "POST ", 5) == 0) chat(c, body, len);
    else if (strncmp(start, "GET /stats", 10) == 0) answer_stats(c);
    else answer_json(c, "{\"object\":\"list\",\"data\":[{\"id\":\"answer\",\"object\":\"model\"}]}\n");
    if (c->fd < 0) return false;
    drop_front(&c->in, (size_t)(body - start) + raw);
    return c->in.len > 0;
}

static void on_readable(struct conn *c) {
    for (;;) {
        reserve(&c->in, c->in.len + 4096);
        size_t room = c->in.cap - c->in.len;
        ssize_t n = recv(c->fd, c->in.data + c->in.len, room < READ_STEP ? room : READ_STEP, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) {
            close_conn(c);
            return;
        }
        c->in.len += (size_t)n;
        stats.bytes_in += (unsigned long)n;
        while (c->fd >= 0 && handle_request(c)) continue;
        if (c->fd < 0 || (size_t)n < room) return;
    }
}

static void on_connect(void) {
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK), one = 1;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP, c);
    }
}

static void on_event(struct conn *c, uint32_t what, int64_t now) {
    if (c->fd >= 0 && (what & (EPOLLERR | EPOLLHUP))) close_conn(c);
    if (c->fd >= 0 && (what & EPOLLOUT)) {
        flush(c);
        if (c->fd >= 0 && c->streaming && !c->paced && !c->want_write) pump(c, now);
    }
    if (c->fd >= 0 && (what & (EPOLLIN | EPOLLRDHUP))) on_readable(c);
}

static void listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listen_fd, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
    if (listen(listen_fd, 4096) < 0) die("listen");
    watch(epoll_fd, EPOLL_CTL_ADD, listen_fd, EPOLLIN, NULL);
}

int main(int argc, char **argv) {
    static struct epoll_event events[1024];
    if (argc != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 2;
    }
    prepare_process();
    make_chunk_text();
    for (size_t i = 0; i + 1 < sizeof filler; i++) filler[i] = "lorem ipsum dolor sit amet, "[i % 28];
    epoll_fd = epoll_create1(0);
    listen_on(atoi(argv[1]));
    for (;;) {
        int64_t now = now_ns(), wait = -1;
        while (heap_len && heap[1]->due <= now) {
            struct conn *c = heap[1];
            heap_remove(c);
            pump(c, now_ns());
        }
        free_closed();
        if (heap_len) wait = heap[1]->due - now_ns();
        int n = wait_events(epoll_fd, events, 1024, heap_len && wait < 0 ? 0 : wait);
        now = now_ns();
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr) on_event(events[i].data.ptr, events[i].events, now);
            else on_connect();
        }
        free_closed();
    }
}
