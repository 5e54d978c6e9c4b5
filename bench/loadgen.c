/* Load generator for one gateway on the loopback interface, one epoll thread, JSON lines on stdout.
 *   closed  --connections C --seconds S [--requests N]   each connection asks again when answered
 *   open    --rate R --seconds S                         fixed rate; latency counts from the intended time
 *   stream  --streams S [--ramp-ms R] [--renew] [--hold] [--seconds S]   S streams at once
 * Common: --port P --body FILE [--path /v1/chat/completions] [--key K] [--header "a: b"]... [--chunks N]
 *         [--answers chat|messages] [--warmup-ms W] [--timeout S]
 * Every answer is checked (answers.h): status 200, complete, its usage, and for streams every chunk in order
 * (--chunks of them) and the last event. What fails is counted under "errors" with the first one as text;
 * "no_usage" counts streams on the messages wire that told none. In stream mode a line with
 * "event":"progress" comes each second; the last line is the report. SIGTERM ends a held run at once. */
#include "loadgen_options.h"

enum phase { CLOSED, IDLE, SENDING, READING };
enum coding { NONE, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };

struct conn {
    int fd;
    enum phase phase;
    size_t sent;
    int64_t began; /* when the request was meant to be sent, ns */
    /* the answer being read */
    struct buffer head, text; /* text: an answer's body, or a stream's unfinished line */
    enum coding coding;
    size_t left; /* of the body or of the current chunk */
    int status;
    long chunks;
    bool head_done, usage, done, wrong_order, keep, reused, wants_write;
};

static struct {
    unsigned long sent, completed, chunks, aborted, no_usage, bytes_in;
    unsigned long connect, status, closed, incomplete, timeout;
    long open, open_max;
    char first[400];
    int64_t first_sent, last_done;
} count;

static struct histogram latency, chunk_delay, first_byte;
static struct conn *conns;
static long conn_len, *idle, idle_len;
static int epoll_fd;
static int64_t start, deadline, warm;
static volatile sig_atomic_t stopped;

static unsigned long errors(void) {
    return count.connect + count.status + count.closed + count.incomplete + count.timeout;
}

static void fail(unsigned long *kind, const char *what, const char *detail, size_t len) {
    if (!errors()) {
        size_t at = (size_t)snprintf(count.first, sizeof count.first, "%s", what);
        for (size_t i = 0; i < len && i < 200 && at + 2 < sizeof count.first; i++) {
            char ch = detail[i]; /* kept plain, so that the report stays JSON */
            count.first[at++] = ch < 32 || ch == '"' || ch == '\\' || ch == 127 ? ' ' : ch;
        }
        count.first[at] = 0;
    }
    ++*kind;
}

static void finish_conn(struct conn *c, int64_t now);

static void watch_write(struct conn *c, bool on) {
    if (c->wants_write != on) watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | (on ? EPOLLOUT : 0), c);
    c->wants_write = on;
}

static void drop(struct conn *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    if (c->phase == READING && c->chunks && is_stream) count.open--;
    c->phase = CLOSED;
    c->reused = false;
}

/* Counts a request that broke off. Its connection is not used again, except at a fixed rate. */
static void lose(struct conn *c, unsigned long *kind, const char *what, int error) {
    const char *why = error ? strerror(error) : "end of file";
    fail(kind, what, why, strlen(why));
    drop(c);
    if (is_open) idle[idle_len++] = c - conns;
}

static void connect_to(struct conn *c) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        lose(c, &count.connect, "connect: ", errno);
        return;
    }
    watch(epoll_fd, EPOLL_CTL_ADD, c->fd, EPOLLIN | EPOLLOUT, c);
    c->wants_write = true;
}

static void send_more(struct conn *c) {
    while (c->sent < request.len) {
        ssize_t n = send(c->fd, request.data + c->sent, request.len - c->sent, 0);
        if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            watch_write(c, true);
            return;
        }
        if (n < 0) {
            lose(c, c->reused ? &count.closed : &count.connect, "send: ", errno);
            return;
        }
        c->sent += (size_t)n;
    }
    c->phase = READING;
    watch_write(c, false);
}

/* Sends the request on c, connecting first where needed. `began` is the time its latency counts from. */
static void ask(struct conn *c, int64_t began) {
    c->sent = 0;
    c->began = began;
    c->head.len = c->text.len = 0;
    c->chunks = 0;
    c->head_done = c->usage = c->done = c->wrong_order = false;
    c->phase = SENDING;
    count.sent++;
    if (!count.first_sent) count.first_sent = began;
    if (c->fd < 0) connect_to(c);
    else send_more(c);
}

/* One line of a stream: a content chunk with the upstream's mark " @NNNNNN:<ns>", usage, or the last. */
static void on_line(struct conn *c, const char *line, size_t len, int64_t now) {
    if (len < 6 || memcmp(line, "data:", 5) != 0) return;
    const char *mark = find_mark(option.answers, line, len);
    if (!mark) {
        c->done |= is_last_line(option.answers, line, len);
        c->usage |= tells_usage(option.answers, line, len);
        return;
    }
    int64_t sent_at = 0;
    if (strtol(mark + 2, NULL, 10) != c->chunks || c->done) c->wrong_order = true;
    for (const char *p = mark + 9; p < mark + 28; p++) sent_at = sent_at * 10 + (*p - '0');
    if (c->chunks++ == 0) {
        if (++count.open > count.open_max) count.open_max = count.open;
        record(&first_byte, now - c->began);
    }
    count.chunks++;
    if (now >= warm) record(&chunk_delay, now - sent_at);
}

static void on_body(struct conn *c, const char *data, size_t len, int64_t now) {
    if (!is_stream || c->status != 200) {
        append(&c->text, data, len);
        return;
    }
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t part = newline ? (size_t)(newline - data) + 1 : len;
        if (!newline || c->text.len) append(&c->text, data, part);
        if (newline) {
            if (c->text.len) on_line(c, c->text.data, c->text.len - 1, now);
            else on_line(c, data, part - 1, now);
            c->text.len = 0;
        }
        data += part;
        len -= part;
    }
}

static bool is_complete(const struct conn *c) {
    if (!is_stream) return is_whole_answer(option.answers, c->text.data, c->text.len);
    bool usage = c->usage || option.answers == MESSAGES; /* there it is counted apart: "no_usage" */
    return c->done && usage && !c->wrong_order && (!option.chunks || c->chunks == option.chunks);
}

static void on_answer_end(struct conn *c, int64_t now) {
    char what[160];
    if (c->status != 200) {
        snprintf(what, sizeof what, "status %d: ", c->status);
        fail(&count.status, what, c->text.data, c->text.len);
    } else if (!is_complete(c)) {
        snprintf(what, sizeof what, "incomplete answer (%ld chunks, end %d, usage %d, order %s): ",
                 c->chunks, c->done, c->usage, c->wrong_order ? "wrong" : "right");
        fail(&count.incomplete, what, c->text.data, c->text.len);
    } else {
        count.completed++;
        count.no_usage += is_stream && !c->usage;
        count.last_done = now;
        if (c->began >= warm) record(&latency, now - c->began);
    }
    if (is_stream && c->chunks) count.open--;
    finish_conn(c, now);
}

/* What this connection does after an answer: again, wait, or close. */
static void finish_conn(struct conn *c, int64_t now) {
    bool again = now < deadline && !stopped && errors() < 100;
    if (!is_stream && option.requests && (long)count.sent >= option.requests) again = false;
    c->phase = IDLE;
    if (!c->keep) drop(c);
    c->reused = true;
    if (is_open) idle[idle_len++] = c - conns;
    else if (again && (!is_stream || option.renew)) ask(c, now);
    else drop(c);
}

static bool read_head(struct conn *c, const char **data, size_t *len) {
    size_t before = c->head.len;
    append(&c->head, *data, *len);
    char *blank = memmem(c->head.data, c->head.len, "\r\n\r\n", 4);
    if (!blank) {
        *len = 0;
        return false;
    }
    size_t used = (size_t)(blank + 4 - c->head.data) - before;
    *data += used;
    *len -= used;
    c->status = atoi(c->head.data + 9);
    c->head_done = true;
    const char *length = header(c->head.data, blank, "content-length:");
    const char *coding = header(c->head.data, blank, "transfer-encoding:");
    const char *connection = header(c->head.data, blank, "connection:");
    c->keep = !(connection && strncasecmp(connection, "close", 5) == 0);
    c->left = length ? strtoul(length, NULL, 10) : 0;
    c->coding = coding ? CHUNK_SIZE : !length ? UNTIL_CLOSE : c->left ? LENGTH : NONE;
    c->head.len = 0; /* reused for chunk-size lines */
    return true;
}

/* One step of the chunked coding on a line that ends at *p. True when the answer is complete. */
static bool on_coding_line(struct conn *c) {
    bool end = false;
    if (c->coding == CHUNK_SIZE) {
        append(&c->head, "", 1);
        c->left = strtoul(c->head.data, NULL, 16);
        c->coding = c->left ? CHUNK_DATA : TRAILER;
    } else if (c->coding == CHUNK_END) {
        c->coding = CHUNK_SIZE;
    } else {
        end = c->head.len <= 2;
    }
    c->head.len = 0;
    return end;
}

static void on_bytes(struct conn *c, const char *data, size_t len, int64_t now) {
    if (!c->head_done && !read_head(c, &data, &len)) return;
    bool end = c->coding == NONE;
    while (len && !end) {
        if (c->coding == LENGTH || c->coding == CHUNK_DATA || c->coding == UNTIL_CLOSE) {
            size_t part = c->coding != UNTIL_CLOSE && c->left < len ? c->left : len;
            on_body(c, data, part, now);
            data += part;
            len -= part;
            if (c->coding == UNTIL_CLOSE || (c->left -= part)) continue;
            end = c->coding == LENGTH;
            c->coding = CHUNK_END;
        } else {
            const char *newline = memchr(data, '\n', len);
            size_t part = newline ? (size_t)(newline - data) + 1 : len;
            append(&c->head, data, part);
            data += part;
            len -= part;
            if (newline) end = on_coding_line(c);
        }
    }
    if (end) on_answer_end(c, now);
}

static void on_event(struct conn *c, uint32_t what) {
    static char chunk[262144];
    if (c->fd < 0) return;
    if (c->phase == SENDING && (what & EPOLLOUT)) send_more(c);
    if (c->fd < 0 || !(what & (EPOLLIN | EPOLLERR | EPOLLHUP))) return;
    ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
    if (n < 0 && errno == EAGAIN) return;
    int64_t now = now_ns();
    if (n > 0 && c->phase != IDLE) {
        count.bytes_in += (unsigned long)n;
        on_bytes(c, chunk, (size_t)n, now);
    } else if (c->phase == READING && c->head_done && c->coding == UNTIL_CLOSE && n == 0) {
        c->keep = false;
        on_answer_end(c, now);
    } else if (c->phase == IDLE) {
        drop(c); /* an idle connection that the gateway gave up; the next request connects anew */
    } else {
        bool sending = c->phase == SENDING;
        lose(c, sending && !c->reused ? &count.connect : &count.closed,
             sending ? "closed while sending: " : "closed inside an answer: ", n < 0 ? errno : 0);
    }
}

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static long busy_connections(void) {
    long busy = 0;
    for (long i = 0; i < conn_len; i++) busy += conns[i].phase == SENDING || conns[i].phase == READING;
    return busy;
}

/* Starts what is due by now; returns when the next start is due, INT64_MAX if there is none left. */
static int64_t start_due(int64_t now) {
    static long started;
    static int64_t next;
    if (!next) next = start;
    if (stopped) return INT64_MAX;
    if (is_open) {
        for (; next <= now && next < deadline && idle_len; next += (int64_t)(SECOND / option.rate))
            ask(&conns[idle[--idle_len]], next);
        /* With no free connection the request is late, and its latency counts from when it was meant. */
        return next < deadline ? (idle_len ? next : now + SECOND) : INT64_MAX;
    }
    for (; started < conn_len; started++) {
        int64_t due = start + (int64_t)(option.ramp_ms * MS * started / conn_len);
        if (due > now) return due;
        ask(&conns[started], now);
    }
    return INT64_MAX;
}

static void report(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    double seconds = count.last_done ? (double)(count.last_done - count.first_sent) / (double)SECOND : 0;
    printf("{\"event\":\"end\",\"mode\":\"%s\",\"sent\":%lu,\"completed\":%lu,\"aborted\":%lu,"
           "\"chunks\":%lu,\"no_usage\":%lu,\"open_max\":%ld,\"bytes_in\":%lu,\"seconds\":%.4f,"
           "\"rps\":%.2f,\"cpu_s\":%.4f,",
           option.mode, count.sent, count.completed, count.aborted, count.chunks, count.no_usage,
           count.open_max, count.bytes_in, seconds, seconds > 0 ? (double)count.completed / seconds : 0.0, cpu);
    printf("\"errors\":{\"total\":%lu,\"connect\":%lu,\"status\":%lu,\"closed\":%lu,\"incomplete\":%lu,"
           "\"timeout\":%lu,\"first\":\"%s\"},",
           errors(), count.connect, count.status, count.closed, count.incomplete, count.timeout, count.first);
    print_histogram("latency_us", &latency);
    printf(",");
    print_histogram("first_byte_us", &first_byte);
    printf(",");
    print_histogram("chunk_delay_us", &chunk_delay);
    printf("}\n");
}

static void progress(int64_t now) {
    static int64_t next;
    if (!is_stream || now < next) return;
    next = (next ? next : now) + SECOND;
    printf("{\"event\":\"progress\",\"t\":%.3f,\"open\":%ld,\"chunks\":%lu,\"completed\":%lu,"
           "\"errors\":%lu}\n",
           (double)(now - start) / (double)SECOND, count.open, count.chunks, count.completed, errors());
    fflush(stdout);
}

static void run(void) {
    static struct epoll_event events[1024];
    start = now_ns();
    deadline = start + (int64_t)(option.seconds * (double)SECOND);
    warm = start + (int64_t)(option.warmup_ms * (double)MS);
    int64_t last = deadline + (int64_t)(option.timeout * (double)SECOND);
    for (;;) {
        int64_t now = now_ns(), next = start_due(now);
        progress(now);
        bool held = option.hold && now < deadline && !stopped;
        if (next == INT64_MAX && !held && (option.hold || !busy_connections())) break;
        if (now >= last || (stopped && !option.renew)) break;
        int64_t wait = next - now;
        if (wait > SECOND / 10 && is_stream) wait = SECOND / 10;
        if (wait > last - now) wait = last - now;
        int n = wait_events(epoll_fd, events, 1024, wait < 0 ? 0 : wait);
        for (int i = 0; i < n; i++) on_event(events[i].data.ptr, events[i].events);
    }
    for (long i = 0; i < conn_len; i++) {
        if (conns[i].phase != SENDING && conns[i].phase != READING) continue;
        if (option.hold || stopped) count.aborted++;
        else fail(&count.timeout, "no complete answer in time", "", 0);
    }
}

int main(int argc, char **argv) {
    prepare_process();
    parse_options(argc, argv);
    make_request();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    conn_len = is_stream ? option.streams : option.connections;
    conns = calloc((size_t)conn_len, sizeof *conns);
    idle = calloc((size_t)conn_len, sizeof *idle);
    if (!conns || !idle) die("calloc");
    for (long i = conn_len; i-- > 0;) {
        conns[i].fd = -1;
        if (is_open) idle[idle_len++] = i;
    }
    epoll_fd = epoll_create1(0);
    run();
    report();
    return errors() ? 1 : 0;
}
