/* The upstream's connections and the heap of those that are due to send something. */
#ifndef DUE_HEAP_H
#define DUE_HEAP_H
#include "event_loop.h"

struct conn {
    int fd;
    struct buffer in, out;
    size_t sent;      /* of out */
    bool streaming, paced, late, want_write, close_after;
    long chunks, next; /* of the stream being sent */
    unsigned long serial; /* the same, and its id */
    int64_t pace, due; /* ns */
    size_t heap_at;    /* 1-based place in the heap, 0: none */
    long prompt_tokens;
    struct conn *next_free;
};

static struct conn **heap; /* heap[1..heap_len], the earliest first */
static size_t heap_len, heap_cap;

static void heap_put(size_t at, struct conn *c) {
    heap[at] = c;
    c->heap_at = at;
}

static void heap_sift(size_t at) {
    struct conn *c = heap[at];
    for (; at > 1 && heap[at / 2]->due > c->due; at /= 2) heap_put(at, heap[at / 2]);
    for (;;) {
        size_t child = at * 2;
        if (child > heap_len) break;
        if (child < heap_len && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= c->due) break;
        heap_put(at, heap[child]);
        at = child;
    }
    heap_put(at, c);
}

static void heap_add(struct conn *c) {
    if (heap_len + 2 > heap_cap) {
        heap_cap = heap_cap ? heap_cap * 2 : 1024;
        heap = realloc(heap, heap_cap * sizeof *heap);
        if (!heap) die("realloc");
    }
    heap[++heap_len] = c;
    heap_sift(heap_len);
}

static void heap_remove(struct conn *c) {
    size_t at = c->heap_at;
    if (!at) return;
    c->heap_at = 0;
    struct conn *last = heap[heap_len--];
    if (last != c) {
        heap[at] = last;
        heap_sift(at);
    }
}
#endif
