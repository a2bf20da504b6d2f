/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_BASE_H
#define SVCDOCTOR_BASE_H

/*
 * The ground floor: errors and records, strings, arrays, arena, hash map, IP addresses and prefixes,
 * bounded file reading, JSON helpers. It knows nothing of Kubernetes, rules or nodes.
 *
 * Conventions of the whole library:
 *  - int functions return 0 or a positive value on success and a negative code on failure: -errno, or
 *    one of our own codes from -1000 downwards (SD_ERRORS).
 *  - ret_ parameters are set on success and untouched on failure.
 *  - Library code never prints and never exits. What a user must know is a record in a struct sd_notes.
 *  - "be" in a name means network byte order; sizes are bytes, lengths (len) are elements.
 */

#include <alloca.h>
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Calls that have a safe replacement do not compile (their headers are included above, once). */
#undef alloca
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol inet_ntoa alloca gets

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands over ownership: the value of @p, which is NULL afterwards. */
#define take_ptr(p) __extension__ ({ __auto_type take_tmp_ = (p); (p) = NULL; take_tmp_; })

/* ---- errors ---- */

#define SD_ERRORS(X) \
	X(SD_EPARSE, -1000, "cannot be parsed") \
	X(SD_ELIMIT, -1001, "is larger than svcdoctor accepts") \
	X(SD_EESCAPE, -1002, "leaves its folder") \
	X(SD_ETRUNC, -1003, "is truncated") \
	X(SD_EUSAGE, -1004, "wrong usage") \
	X(SD_EFORMAT, -1005, "is of another format than expected")

enum {
#define X(name, value, text) name = (value),
	SD_ERRORS(X)
#undef X
};

/* Text of a negative code of ours or of -errno; a constant or thread-local string, never NULL. */
const char *sd_strerror(int err);

/* ---- records: what a user must know, with the place in the input ---- */

struct sd_note {
	bool fatal_to_part; /* something was not usable: an answer that needs it is inconclusive */
	const char *code;   /* kebab-case, constant: "truncated", "bad-json", ... */
	char *text;	    /* lower case, no full stop, the subject in single quotes */
	char *hint;	    /* may be NULL: what to do, such as the command to run */
	char *file;	    /* may be NULL */
	uint32_t line, column; /* from 1; 0: not known */
};

/* A bounded list: above SD_NOTES_MAX the rest is only counted. */
#define SD_NOTES_MAX 1000
struct sd_notes {
	struct sd_note *v;
	size_t len, cap;
	size_t dropped;
};

void sd_notes_release(struct sd_notes *n);
/* Adds a record; strings are copied. @hint and @file may be NULL. Never fails visibly: what does not fit is counted. */
void sd_note_add(struct sd_notes *n, bool fatal_to_part, const char *code, const char *file,
		 uint32_t line, uint32_t column, const char *hint, const char *fmt, ...) PRINTF_LIKE(8, 9);

/* Moves the records of @from behind those of @n. */
void sd_notes_join(struct sd_notes *n, struct sd_notes *from);

/* ---- arena: things built once and freed once ---- */

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out */
};
void arena_release(struct arena *a);
/* Frees all but the first block, which is kept for the next use. */
void arena_reset(struct arena *a);
/* Everything that @from holds belongs to @a from now on; @from is empty. */
void arena_join(struct arena *a, struct arena *from);
/* Zeroed memory aligned to 8 bytes, as pointers and 64-bit numbers need it; NULL when memory is out. */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* NUL-terminated copy */
char *arena_strdup(struct arena *a, const char *s);		 /* NULL gives NULL */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))

/* ---- string buffer: grows; after an allocation failure it stays failed and empty ---- */

struct strbuf {
	char *s; /* NUL-terminated once something was added, else NULL */
	size_t len, cap;
	bool failed;
};
#define STRBUF_INIT { NULL, 0, 0, false }
void strbuf_release(struct strbuf *b);
void strbuf_add(struct strbuf *b, const char *s, size_t len);
void strbuf_adds(struct strbuf *b, const char *s);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void strbuf_reset(struct strbuf *b);
const char *strbuf_str(const struct strbuf *b); /* never NULL */

/* ---- growing arrays: struct { T *v; size_t len, cap; } ---- */

#define ARRAY_OF(type) struct { type *v; size_t len, cap; }
int array_grow_(void *v, size_t *cap, size_t len, size_t elem_size);
/* Appends a value; 0 or -ENOMEM. */
#define array_push(a, value) \
	__extension__ ({ \
		int push_r_ = array_grow_(&(a)->v, &(a)->cap, (a)->len + 1, sizeof(*(a)->v)); \
		if (push_r_ == 0) { \
			(a)->v[(a)->len++] = (value); \
		} \
		push_r_; \
	})
#define array_free(a) do { free((a)->v); (a)->v = NULL; (a)->len = (a)->cap = 0; } while (0)

/* ---- hash map from bytes to a pointer; keys are not copied and must outlive the map ---- */

struct map_entry {
	const void *key;
	uint32_t key_size, hash;
	void *value;
};
struct map {
	struct map_entry *v;
	size_t len, cap; /* cap: a power of two or 0 */
};
void map_release(struct map *m);
/* NULL when absent. */
void *map_get(const struct map *m, const void *key, size_t key_size);
/* Sets or replaces. @value must not be NULL. 0 or -ENOMEM. */
int map_put(struct map *m, const void *key, size_t key_size, void *value);
static inline void *map_gets(const struct map *m, const char *key) { return map_get(m, key, strlen(key)); }
static inline int map_puts(struct map *m, const char *key, void *value) { return map_put(m, key, strlen(key), value); }
uint32_t hash_bytes(const void *p, size_t size);

/* ---- IP addresses and prefixes ---- */

struct ip_addr {
	uint8_t family; /* AF_INET, AF_INET6, or 0: none */
	uint8_t b[16];	/* network byte order; IPv4 in b[0..3], the rest zero */
};
struct ip_prefix {
	struct ip_addr addr;
	uint8_t len;
};
#define IP_ADDR_STRLEN 46	 /* INET6_ADDRSTRLEN */
#define IP_PREFIX_STRLEN 50
#define IP_ENDPOINT_STRLEN 56	 /* [addr]:port */

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
/* By family, then value. */
static inline int ip_addr_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}
static inline size_t ip_addr_size(const struct ip_addr *a) { return a->family == AF_INET ? 4 : 16; }
/* Parses exactly @len bytes; 0 or SD_EPARSE. IPv4-mapped IPv6 stays IPv6. Leading zeros in IPv4 are refused. */
int ip_addr_parsen(const char *s, size_t len, struct ip_addr *ret);
int ip_addr_parse(const char *s, struct ip_addr *ret);
/* "a", "a/24"; also "a/255.255.0.0" where the mask is contiguous. Host bits are kept. 0 or SD_EPARSE. */
int ip_prefix_parsen(const char *s, size_t len, struct ip_prefix *ret);
int ip_prefix_parse(const char *s, struct ip_prefix *ret);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a); /* false across families */
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
struct ip_addr ip_prefix_first(const struct ip_prefix *p);
struct ip_addr ip_prefix_last(const struct ip_prefix *p);
struct ip_addr ip_prefix_mask(int family, unsigned len);
/* The neighbour above or below; false when there is none. */
bool ip_addr_next(const struct ip_addr *a, struct ip_addr *ret);
bool ip_addr_prev(const struct ip_addr *a, struct ip_addr *ret);
bool ip_addr_is_loopback(const struct ip_addr *a);
bool ip_addr_is_multicast(const struct ip_addr *a);
bool ip_addr_is_linklocal(const struct ip_addr *a);
bool ip_addr_is_zero(const struct ip_addr *a);
/* Format into the caller's buffer and return it. */
const char *ip_addr_format(const struct ip_addr *a, char buf[static IP_ADDR_STRLEN]);
const char *ip_prefix_format(const struct ip_prefix *p, char buf[static IP_PREFIX_STRLEN]);
const char *ip_endpoint_format(const struct ip_addr *a, unsigned port, char buf[static IP_ENDPOINT_STRLEN]);

/* ---- numbers, names ---- */

/* Decimal (or 0x hexadecimal) without sign, all of @s; 0, SD_EPARSE, or -ERANGE above @max. */
int parse_uint(const char *s, size_t len, uint64_t max, uint64_t *ret);
/*
 * A length of time as Go's time.ParseDuration reads it ("1m30s", "1.5h", "250ms"), or a whole number of seconds, as kubectl's
 * --request-timeout takes it beside that. In milliseconds, what is shorter counts as one; "0" is 0. 0; SD_EPARSE, also for a negative
 * one; -ERANGE for more than Go can hold (292 years).
 */
int parse_duration(const char *s, int64_t *ret_ms);
/* @s is @what; NULL is nothing. */
static inline bool str_is(const char *s, const char *what)
{
	return s && strcmp(s, what) == 0;
}
/* Equal, or both NULL. */
static inline bool str_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}
/* Are the @len bytes at @s one of @words, which end with NULL? */
static inline bool str_one_of(const char *s, size_t len, const char *const *words)
{
	for (; *words; words++) {
		if (strlen(*words) == len && memcmp(*words, s, len) == 0)
			return true;
	}
	return false;
}
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* RFC 1123 label or subdomain as Kubernetes accepts it in an object's name. */
bool is_k8s_name(const char *s);
/* Edit distance (Damerau-Levenshtein, adjacent transpositions), at most @limit, else @limit + 1. */
unsigned edit_distance(const char *a, const char *b, unsigned limit);
const char *proto_name(uint8_t proto); /* "tcp", "udp", "sctp", ...; a number as text in a thread-local buffer */
static inline bool proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}
int proto_parse(const char *s, size_t len, uint8_t *ret); /* any letter case, or a number */

/* Repairs what comes from outside for a terminal: invalid UTF-8 and control characters become '?'. */
void strbuf_add_clean(struct strbuf *b, const char *s);
/* The same for JSON text fields: in an arena; NULL gives NULL. */
char *arena_clean(struct arena *a, const char *s);

/* ---- files ---- */

/* For CLEANUP: frees it. */
void text_free(char **s);
/* What stands behind the last slash. */
const char *path_base(const char *path);
/* Milliseconds of a clock that never goes back. */
int64_t clock_ms(void);
/* For CLEANUP: closes a descriptor, unless it is negative, and makes it -1. */
void fd_close(int *fd);
/* Reads a whole file of at most @max bytes; NUL-terminated behind the contents. 0, -errno, SD_ELIMIT. Caller frees. */
int file_read_at(int dirfd, const char *path, size_t max, char **ret_data, size_t *ret_size);
/*
 * The same for a file of somebody who is not trusted: below the folder @root as if that were the root of everything, so that no link leads
 * out of it. @path: relative, a folder and a name. On Linux before 5.6 links are not followed, and -ELOOP says so.
 */
int file_read_below(const char *root, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* ---- work in parts, side by side ---- */

struct crew;
#define CREW_SIZE 2u /* threads at most */
/* Does one part. @who: below CREW_SIZE, another one for each thread; 0 is the thread that called crew_start. */
typedef void crew_fn(void *arg, void *part, unsigned who);
/* Are there more processors than @threads, which have work? */
bool crew_has_room(unsigned threads);
/* NULL where nobody helps (one processor, no thread, no memory): then the caller does the work as it comes. */
struct crew *crew_start(crew_fn *fn, void *arg);
/* Gives away a part, and does one that waits when there are enough of them. */
void crew_add(struct crew *c, void *part);
/* Returns when all parts are done; frees @c, which may be NULL. */
void crew_finish(struct crew *c);

/* ---- JSON helpers over jansson ---- */

struct json_t;
/*
 * Splits a JSON document into the elements of its top-level "items" array, or the document itself when it has none,
 * without building one tree. For each element @fn gets a decoded object that it does not own, and the line it starts on.
 * A document may hold several concatenated values (kubectl with several kinds prints one List; `cat a.json b.json` gives two).
 * @kind: the list's kind without "List" ("Service" for "ServiceList"), "" where the list has none or is a plain List.
 * Damage is recorded in @notes with file, line and column; the elements before it are still delivered.
 * Returns the number of elements or a negative code; @fn's negative return stops.
 */
typedef int (*json_item_fn)(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line);
ssize_t json_each_item(const char *data, size_t size, const char *file, struct sd_notes *notes, json_item_fn fn, void *arg);
/*
 * The same, and before a list's elements @list_fn (may be NULL) is told of the list itself, also of an empty one: its kind as written
 * ("ServiceList", "List", "") and whether it is one page of several. Elements of a top-level array are delivered with the kind "".
 */
typedef int (*json_list_fn)(void *arg, const char *kind, const char *api_version, bool partial);
ssize_t json_each_list(const char *data, size_t size, const char *file, struct sd_notes *notes, json_list_fn list_fn, json_item_fn fn,
		       void *arg);
/*
 * The same, where two threads decode the elements of a large document: @fn is called with parts[0], and by the second thread with
 * parts[1], in any order of the elements; NULL there: one thread decodes all. What @fn changes must belong to its part alone, and what it records goes to item->notes,
 * which end up in @notes in the order of the text. @list_fn is called with @arg by the calling thread, when @fn is done with all before.
 * @text_fn (may be NULL) is asked before a tree is made: 1 when it has taken the element from its text, 0 when it has not.
 */
struct json_item {
	const char *text; /* well-formed, and not much more is known of it: jansson may object to it all the same */
	size_t size;
	struct json_t *value; /* not owned; NULL for @text_fn */
	const char *kind, *api_version;
	uint32_t line;
	size_t number; /* in the document, from 0, damaged ones left out */
	struct sd_notes *notes;
};
typedef int (*json_part_fn)(void *part, const struct json_item *item);
ssize_t json_each_shared(const char *data, size_t size, const char *file, struct sd_notes *notes, json_list_fn list_fn, void *arg,
			 json_part_fn text_fn, json_part_fn fn, void *const parts[CREW_SIZE]);
/* As json_each_item, with an array of another name than "items", such as nft's "nftables". */
ssize_t json_each_of(const char *data, size_t size, const char *file, struct sd_notes *notes, const char *array_key, json_item_fn fn,
		     void *arg);
/*
 * Cuts in place, at any depth, the members of objects whose name is not one of @names (ends with NULL). Below a name that ends with '*' there,
 * nothing is cut: labels may have any name. @data is NUL-terminated behind @size. What is no JSON stays as it is from there on. The new size.
 */
size_t json_keep(char *data, size_t size, const char *const *names);
/* Path access: NULL where a step is missing or of another type. */
const char *json_str(const struct json_t *o, const char *key); /* string member or NULL */
struct json_t *json_obj(const struct json_t *o, const char *key);
struct json_t *json_arr(const struct json_t *o, const char *key);
bool json_int(const struct json_t *o, const char *key, int64_t *ret);
/* -1 where absent or null, else 0 or 1. */
int json_tri(const struct json_t *o, const char *key);

/* ---- YAML, as JSON ---- */

struct yaml_limits {
	size_t size, nodes; /* bytes; values, where an alias counts as what it stands for */
	unsigned depth;
};
struct yaml_fault {
	const char *why;       /* constant: "it is too large", "did not find expected key", ... */
	uint32_t line, column; /* from 1; 0: not known */
};
/*
 * The first document of @text as a tree that the caller owns; nothing but comments is null. Scalars, keys, aliases and '<<' are what
 * sigs.k8s.io/yaml makes of them; of a key that stands twice the last one counts. JSON is YAML, too.
 * 0, SD_EPARSE, SD_ELIMIT or -ENOMEM, the last three with @ret_fault.
 */
int yaml_to_json(const char *text, size_t size, const struct yaml_limits *limits, struct json_t **ret, struct yaml_fault *ret_fault);
/* Where a value of that document stands: each step goes into a mapping (@key) or, without a key, into a sequence. False: it is not there. */
struct yaml_step {
	const char *key;
	size_t index;
};
bool yaml_place(const char *text, size_t size, const struct yaml_step *steps, size_t nsteps, uint32_t *ret_line, uint32_t *ret_column);

#endif
