/* What upstream.c and loadgen.c share: clock, epoll with nanosecond waits, growing buffer, histogram. */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL
#define SECOND 1000000000LL

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(2);
}

/* Many descriptors, no SIGPIPE, and timers as exact as the kernel can (the default slack is 50 us). */
static inline void prepare_process(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}

/* Waits until an event or for wait_ns (-1: for ever). Kernels before 5.11 round up to milliseconds. */
static inline int wait_events(int epoll, struct epoll_event *events, int max, int64_t wait_ns) {
#ifdef SYS_epoll_pwait2
    static bool rounded = false;
    if (!rounded) {
        struct timespec t = {.tv_sec = wait_ns / SECOND, .tv_nsec = wait_ns % SECOND};
        long n = syscall(SYS_epoll_pwait2, epoll, events, max, wait_ns < 0 ? NULL : &t, NULL, 0);
        if (n >= 0 || errno != ENOSYS) return (int)n;
        rounded = true;
    }
#endif
    return epoll_wait(epoll, events, max, wait_ns < 0 ? -1 : (int)((wait_ns + MS - 1) / MS));
}

static inline void watch(int epoll, int op, int fd, uint32_t what, void *owner) {
    struct epoll_event event = {.events = what, .data.ptr = owner};
    if (epoll_ctl(epoll, op, fd, &event) < 0) die("epoll_ctl");
}

struct buffer {
    char *data;
    size_t len, cap;
};

static inline void reserve(struct buffer *b, size_t total) {
    if (total <= b->cap) return;
    size_t cap = b->cap ? b->cap : 4096;
    while (cap < total) cap *= 2;
    b->data = realloc(b->data, cap);
    if (!b->data) die("realloc");
    b->cap = cap;
}

static inline void append(struct buffer *b, const void *data, size_t len) {
    reserve(b, b->len + len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void drop_front(struct buffer *b, size_t len) {
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
}

/* Value of a header inside [head, end), or NULL. The name comes in lower case with its colon. */
static inline const char *header(const char *head, const char *end, const char *name) {
    size_t len = strlen(name);
    for (const char *line = head; line && line + len < end; line = memchr(line, '\n', end - line)) {
        if (*line == '\n') line++;
        if ((size_t)(end - line) > len && strncasecmp(line, name, len) == 0) {
            line += len;
            while (*line == ' ' || *line == '\t') line++;
            return line;
        }
    }
    return NULL;
}

/* Log-linear histogram of nanoseconds: 128 steps an octave, so a percentile is right within 0.8 %. */
#define STEPS 128
struct histogram {
    uint64_t count[64 * STEPS], total;
    int64_t sum, max;
};

static inline void record(struct histogram *h, int64_t ns) {
    uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
    int shift = v < STEPS ? 0 : 56 - __builtin_clzll(v); /* keeps the 8 highest bits */
    h->count[shift * STEPS + (v >> shift)]++;
    h->total++;
    h->sum += (int64_t)v;
    if ((int64_t)v > h->max) h->max = (int64_t)v;
}

static inline double percentile_us(const struct histogram *h, double p) {
    uint64_t want = (uint64_t)(p * (double)h->total), seen = 0;
    if (!h->total) return 0;
    if (want >= h->total) want = h->total - 1;
    for (int i = 0; i < 64 * STEPS; i++) {
        seen += h->count[i];
        if (seen <= want) continue;
        int shift = i < 2 * STEPS ? 0 : i / STEPS - 1;
        double low = (double)((uint64_t)(i - shift * STEPS) << shift);
        return (low + (shift ? (double)(1ULL << shift) / 2 : 0)) / 1000.0;
    }
    return (double)h->max / 1000.0;
}

static inline void print_histogram(const char *name, const struct histogram *h) {
    printf("\"%s\":{\"count\":%llu,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
           (unsigned long long)h->total, h->total ? (double)h->sum / (double)h->total / 1000.0 : 0.0,
           percentile_us(h, 0.50), percentile_us(h, 0.90), percentile_us(h, 0.99), (double)h->max / 1000.0);
}
#endif
