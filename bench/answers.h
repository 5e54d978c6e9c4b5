/* What loadgen.c looks for in an answer, by the wire it is asked to expect (--answers chat | messages). */
#ifndef ANSWERS_H
#define ANSWERS_H
#include "event_loop.h"

enum wire { CHAT, MESSAGES };

static inline bool contains(const char *data, size_t len, const char *word) {
    return memmem(data, len, word, strlen(word)) != NULL;
}

/* Whether a number above zero follows the first `name`, given with its quotes and colon. */
static inline bool above_zero(const char *data, size_t len, const char *name) {
    const char *end = data + len, *at = memmem(data, len, name, strlen(name));
    if (!at) return false;
    for (at += strlen(name); at < end && *at == ' '; at++) continue;
    return at < end && *at >= '1' && *at <= '9';
}

/* The upstream's mark " @NNNNNN:<ns>" in the line of a content chunk, or NULL. On the messages wire only a
 * text delta counts: a chat chunk that was passed on as it came is no content there. */
static inline const char *find_mark(enum wire wire, const char *line, size_t len) {
    const char *mark = memmem(line, len, " @", 2);
    if (!mark || mark + 28 > line + len || mark[8] != ':') return NULL;
    return wire == CHAT || contains(line, len, "\"content_block_delta\"") ? mark : NULL;
}

static inline bool is_last_line(enum wire wire, const char *line, size_t len) {
    return contains(line, len, wire == CHAT ? "[DONE]" : "\"message_stop\"");
}

/* Whether a line of a stream tells its usage. On the messages wire the count at the end must not be zero. */
static inline bool tells_usage(enum wire wire, const char *line, size_t len) {
    if (wire == CHAT) return contains(line, len, "\"total_tokens\"");
    return contains(line, len, "\"message_delta\"") && above_zero(line, len, "\"output_tokens\":");
}

/* Whether an answer without streaming is the upstream's whole text with its usage, in the right form. */
static inline bool is_whole_answer(enum wire wire, const char *text, size_t len) {
    if (!contains(text, len, "the-end")) return false;
    if (wire == CHAT) return contains(text, len, "\"total_tokens\"");
    return contains(text, len, "\"usage\":") && above_zero(text, len, "\"input_tokens\":") &&
           above_zero(text, len, "\"output_tokens\":") && contains(text, len, "\"stop_reason\":\"end_turn\"");
}
#endif
