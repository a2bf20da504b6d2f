/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept of a log: of each kind of line, with what its error is known to mean and with each of a few names, how many there are and the
 * last one; of errors that are not known a few. So a long log costs no more memory than a short one.
 */
#include <ctype.h>
#include <errno.h>

#include "klog-private.h"

#define NAMES_MAX 8	/* of one kind and reason; what has another name is counted together */
#define HITS_MAX 600	/* then names and reasons are no longer told apart */
#define UNKNOWN_MAX 16
#define TEXT_MAX 400
#define VERSION_MAX 40
#define BREAK_S 600	/* requests to the API server are tried again within a minute */
#define TOPICS (TOPIC_CONNTRACK + 1)

void log_summary_release(struct log_summary *s)
{
	array_free(&s->hits);
	array_free(&s->unknown);
	*s = (struct log_summary){ 0 };
}

enum log_weight log_hit_weight(const struct log_hit *h)
{
	return h->reason ? h->reason->weight : h->kind->weight;
}

/* Without ipset, kube-proxies to 1.25 took iptables, which their lines tell, and those from 1.26 on end. */
static bool ended_for_ipset(const struct log_hit *h)
{
	static const char begin[] = "ipset-";

	return h->reason && !h->reason->check && strncmp(h->reason->id, begin, sizeof(begin) - 1) == 0 && h->kind->check &&
	       strcmp(h->kind->check, "kube-proxy-crashloop") == 0;
}

const char *log_hit_check(const struct log_hit *h)
{
	if (ended_for_ipset(h))
		return "kube-proxy-crashloop-ipvs-modules";
	return h->reason && h->reason->check ? h->reason->check : h->kind->check;
}

/* A text as it was read, not cleaned yet. */
struct text {
	bool known;
	uint16_t len;
	char s[TEXT_MAX];
};
struct held {
	const struct log_row *row, *reason;
	size_t count, first_line, last_line;
	size_t next;		/* of the same kind, + 1 */
	struct text name, text, detail;
	char first[LOG_TIME_MAX], since[LOG_TIME_MAX], last[LOG_TIME_MAX];
};
struct unknown {
	uint64_t key;
	size_t count, last_line;
	struct text text;
	char first[LOG_TIME_MAX], last[LOG_TIME_MAX];
};
struct log_counter {
	struct arena *arena;
	struct log_index index, reasons;
	struct log_starts starts;
	ARRAY_OF(struct held *) held;
	size_t first_of[LOG_FORMS_MAX + LOG_OTHERS]; /* of the row whose first form this is: its first hit, + 1 */
	struct unknown unknown[UNKNOWN_MAX];
	size_t unknown_n, errors_unknown;
	struct text first_unknown, version, mode;
	size_t mode_line, good_line[TOPICS];
	char until[LOG_TIME_MAX];
};

static void keep_text(struct text *t, const char *s, size_t len, size_t most)
{
	t->known = s != NULL;
	t->len = (uint16_t)(s ? MIN(len, most) : 0);
	if (t->len)
		memcpy(t->s, s, t->len);
}

/* A line without what was to be written: it is long, and says nothing of what went wrong. */
static void keep_line(struct text *t, const struct log_line *l)
{
	static const char *const keys[] = { " rules=\"", ",\"rules\":\"" };
	const char *at = NULL;
	size_t i = 0;

	while (i < ARRAY_LEN(keys) && !(at = memmem(l->whole, l->whole_len, keys[i], strlen(keys[i]))))
		i++;
	keep_text(t, l->whole, at ? (size_t)(at - l->whole) : l->whole_len, TEXT_MAX);
	if (at) {
		const size_t len = strlen(keys[i]) - 1, n = MIN((size_t)t->len, (size_t)TEXT_MAX - len - 3);

		memcpy(t->s + n, keys[i], len);
		memcpy(t->s + n + len, "...", 3);
		t->len = (uint16_t)(n + len + 3);
	}
}

static void keep_time(char to[static LOG_TIME_MAX], const struct log_line *l)
{
	if (l->time[0])
		memcpy(to, l->time, LOG_TIME_MAX);
}

/* ---- counting ---- */

static bool same_name(const struct held *h, const struct log_span *name)
{
	if (!h->name.known || !name->s)
		return !h->name.known && !name->s;
	return h->name.len == MIN(name->len, (size_t)TEXT_MAX) && memcmp(h->name.s, name->s, h->name.len) == 0;
}

/* What is told apart of a line. */
struct which {
	const struct log_row *row, *reason;
	size_t form; /* the first one of the row */
	struct log_span name;
};

/* The hit of this kind, reason and name; without a name when there are many. NULL: there is none, and *@w is what it is to be. */
static struct held *find_held(const struct log_counter *c, struct which *w)
{
	struct held *nameless = NULL;
	size_t names = 0;

	for (size_t i = c->first_of[w->form]; i; i = c->held.v[i - 1]->next) {
		struct held *h = c->held.v[i - 1];

		if (h->reason != w->reason)
			continue;
		if (same_name(h, &w->name))
			return h;
		if (h->name.known)
			names++;
		else
			nameless = h;
	}
	if (names < NAMES_MAX)
		return NULL;
	w->name = (struct log_span){ 0 };
	return nameless;
}

static struct held *held_of(struct log_counter *c, struct which *w)
{
	struct held *h = find_held(c, w);

	if (!h && c->held.len >= HITS_MAX) {
		w->name = (struct log_span){ 0 };
		w->reason = NULL;
		h = find_held(c, w);
	}
	if (h)
		return h;
	h = malloc(sizeof(*h));
	if (!h || array_push(&c->held, h) < 0) {
		free(h);
		return NULL;
	}
	h->row = w->row;
	h->reason = w->reason;
	h->count = 0;
	h->next = c->first_of[w->form];
	h->first[0] = h->since[0] = h->last[0] = '\0';
	keep_text(&h->name, w->name.s, w->name.len, TEXT_MAX);
	c->first_of[w->form] = c->held.len;
	return h;
}

/* What ends kube-proxy where it starts ends nothing in a line of another time. */
static bool is_end(const struct log_kind *k)
{
	static const char begin[] = "kube-proxy-crashloop";

	return k->check && strncmp(k->check, begin, sizeof(begin) - 1) == 0;
}

/* Only of what may be wrong an error tells more: that a harmless line has one is known. */
static const struct log_row *reason_of(const struct log_counter *c, struct log_match *m)
{
	const struct log_row *reason;
	struct log_capture found;

	if (!m->err.s || m->row->kind.weight < LOG_WARNING)
		return NULL;
	reason = log_index_text(&c->reasons, m->err.s, m->err.len, &found);
	/* a port of a Service, which its line tells, and not one of kube-proxy's own */
	if (reason && reason->kind.topic == TOPIC_HEALTH && m->row->kind.topic == TOPIC_NONE && m->row->kind.check)
		return NULL;
	if (reason && is_end(&reason->kind) && !is_end(&m->row->kind) && !(m->row->flags & ROW_END) && m->row->kind.topic != TOPIC_START)
		return NULL;
	if (reason && found.name.s)
		m->c.name = found.name;
	return reason;
}

/* Long without such a line: then it was well in between, though nothing says so. */
static bool was_silent(const struct held *h, const struct log_line *l)
{
	const int64_t near = 15768000; /* in the middle of a year */
	int64_t before, now;

	if (h->row->kind.topic != TOPIC_API || strcmp(h->last, l->time) == 0)
		return false;
	before = log_time(h->last, near);
	now = log_time(l->time, near);
	return before >= 0 && now - before > BREAK_S;
}

static bool begins_anew(const struct log_counter *c, const struct held *h, const struct log_line *l)
{
	if (!h->count || h->row->kind.topic == TOPIC_NONE || h->row->kind.weight < LOG_WARNING)
		return !h->count;
	return c->good_line[h->row->kind.topic] > h->last_line || c->starts.started_line > h->last_line || was_silent(h, l);
}

static int count_line(struct log_counter *c, struct log_line *l, struct log_match *m, size_t first, size_t last)
{
	struct which w = { .row = m->row, .reason = reason_of(c, m), .form = m->first_form };
	struct held *h;

	w.name = m->c.name;
	h = held_of(c, &w);
	if (!h)
		return -ENOMEM;
	if (h->row->kind.weight == LOG_GOOD)
		c->good_line[h->row->kind.topic] = last;
	if (begins_anew(c, h, l)) {
		h->since[0] = '\0';
		keep_time(h->since, l);
	}
	if (!h->count++) {
		h->first_line = first;
		keep_time(h->first, l);
	}
	h->last_line = last;
	keep_time(h->last, l);
	if (m->row->kind.weight >= LOG_WARNING)
		keep_line(&h->text, l);
	else
		keep_text(&h->text, l->whole, l->whole_len, TEXT_MAX);
	keep_text(&h->detail, m->c.detail.s, m->c.detail.len, TEXT_MAX);
	return 0;
}

/* ---- errors that are not known ---- */

static bool starts(const struct log_line *l, const char *s)
{
	return l->len >= strlen(s) && memcmp(l->text, s, strlen(s)) == 0;
}

/* The kernel calls much an error that is none of this program's. */
static bool is_unknown_error(const struct log_counter *c, const struct log_line *l)
{
	if (c->index.program == LOG_KERNEL)
		return false;
	return (l->level & (LEVEL_ERROR | LEVEL_FATAL)) ||
	       (l->level == LEVEL_NONE && (starts(l, "panic: ") || starts(l, "fatal error: ")));
}

/* Of what the line says; digits are all the same (FNV-1a). */
static uint64_t key_of(const struct log_line *l)
{
	const bool json = l->style == STYLE_JSON;
	const struct log_span parts[] = { { json ? l->message.s : l->text, json ? l->message.len : l->len }, json ? l->err : (struct log_span){ 0 } };
	uint64_t key = UINT64_C(14695981039346656037);
	bool number = false;

	for (size_t p = 0; p < ARRAY_LEN(parts); p++)
		for (size_t i = 0; parts[p].s && i < MIN(parts[p].len, (size_t)TEXT_MAX); i++) {
			const unsigned char ch = (unsigned char)parts[p].s[i];
			const bool digit = ch >= '0' && ch <= '9';

			if (!digit || !number)
				key = (key ^ (digit ? '0' : ch)) * UINT64_C(1099511628211);
			number = digit;
		}
	return key;
}

/*
 * A line of no known kind may hold a text that is known: up to 1.22 kube-proxy ends with the error alone, and what iptables, ipset or nft say is
 * the same whoever quotes it. What the API server answers counts only where kube-proxy ended with it.
 */
static bool find_other(const struct log_counter *c, const struct log_line *l, struct log_match *ret)
{
	const bool fatal = l->level & LEVEL_FATAL;
	const struct log_row *reason;
	enum log_topic topic;

	if (c->index.program != LOG_KUBE_PROXY || !(l->level & (LEVEL_ERROR | LEVEL_FATAL)))
		return false;
	ret->err = l->err.s ? l->err : (struct log_span){ l->text, l->len };
	reason = log_index_text(&c->reasons, ret->err.s, ret->err.len, &ret->c);
	topic = reason ? reason->kind.topic : TOPIC_NONE;
	if (!reason || (!fatal && ((!reason->kind.check && reason->kind.weight != LOG_HARMLESS) || (topic != TOPIC_SYNC && topic != TOPIC_START) || is_end(&reason->kind))))
		return false;
	ret->first_form = LOG_FORMS_MAX + (fatal ? LOG_OTHER_END : topic == TOPIC_SYNC ? LOG_OTHER_SYNC : LOG_OTHER_START);
	ret->row = &log_proxy_others[ret->first_form - LOG_FORMS_MAX];
	ret->c = (struct log_capture){ .detail = ret->err };
	return true;
}

static void count_unknown(struct log_counter *c, const struct log_line *l, size_t last)
{
	const uint64_t key = key_of(l);
	struct unknown *u = c->unknown, *end = c->unknown + c->unknown_n;

	if (!c->errors_unknown++)
		keep_text(&c->first_unknown, l->whole, l->whole_len, TEXT_MAX);
	while (u < end && u->key != key)
		u++;
	if (u == end) {
		if (c->unknown_n == UNKNOWN_MAX)
			return;
		c->unknown_n++;
		u->key = key;
		keep_time(u->first, l);
	}
	u->count++;
	u->last_line = last;
	keep_time(u->last, l);
	keep_text(&u->text, l->whole, l->whole_len, TEXT_MAX);
}

/* ---- one entry ---- */

struct log_counter *log_counter_new(struct arena *arena, enum log_program program, bool whole, const struct log_table *const *tables,
				    const struct log_table *const *reasons)
{
	struct log_counter *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->arena = arena;
	c->starts.whole = whole;
	log_index_make(&c->index, program, tables);
	log_index_make(&c->reasons, program, reasons);
	return c;
}

static void keep_name(struct log_counter *c, const struct log_match *m, size_t first)
{
	if (m->row->flags & ROW_BANNER)
		keep_text(&c->version, m->c.name.s, m->c.name.len, VERSION_MAX);
	if (m->row->flags & ROW_MODE && m->c.name.s) {
		keep_text(&c->mode, m->c.name.s, m->c.name.len, VERSION_MAX);
		c->mode_line = first;
		for (size_t i = 0; i < c->mode.len; i++)
			c->mode.s[i] = (char)tolower((unsigned char)c->mode.s[i]);
	}
}

/* "Using %n Proxier": there are only these, two of them on Windows. */
static bool is_mode(const struct log_span *name)
{
	static const char *const modes[] = { "iptables", "ipvs", "nftables", "userspace", "kernelspace", "winuserspace" };

	for (size_t i = 0; name->s && i < ARRAY_LEN(modes); i++)
		if (name->len == strlen(modes[i]) && strncasecmp(name->s, modes[i], name->len) == 0)
			return true;
	return false;
}

static bool find_line(struct log_counter *c, struct log_line *l, struct log_match *m)
{
	if (!log_index_find(&c->index, l, m))
		return find_other(c, l, m);
	return !(m->row->flags & ROW_MODE) || is_mode(&m->c.name);
}

int log_counter_add(struct log_counter *c, struct log_line *l, size_t first, size_t last)
{
	struct log_match m;
	const bool known = find_line(c, l, &m);

	keep_time(c->until, l);
	if (known) {
		keep_name(c, &m, first);
		if (count_line(c, l, &m, first, last) < 0)
			return -ENOMEM;
	} else if (is_unknown_error(c, l)) {
		count_unknown(c, l, last);
	}
	log_starts_add(&c->starts, c->index.program, l, known ? m.row : NULL, first, last);
	return 0;
}

void log_counter_free(struct log_counter *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->held.len; i++)
		free(c->held.v[i]);
	array_free(&c->held);
	free(c);
}

/* ---- the end ---- */

static int give_text(struct arena *a, const struct text *t, const char **ret)
{
	char *copy = t->known ? arena_strndup(a, t->s, t->len) : NULL;

	*ret = copy ? arena_clean(a, copy) : NULL;
	return t->known && !*ret ? -ENOMEM : 0;
}

static int give_time(struct arena *a, const char *time, const char **ret)
{
	*ret = time[0] ? arena_strdup(a, time) : NULL;
	return time[0] && !*ret ? -ENOMEM : 0;
}

static int give_hit(struct arena *a, const struct held *h, struct log_summary *s)
{
	struct log_hit hit = { .kind = &h->row->kind, .reason = h->reason ? &h->reason->kind : NULL, .count = h->count,
			       .first_line = h->first_line, .last_line = h->last_line };

	if (give_text(a, &h->name, &hit.name) < 0 || give_text(a, &h->text, &hit.text) < 0 || give_text(a, &h->detail, &hit.detail) < 0 ||
	    give_time(a, h->first, &hit.first) < 0 || give_time(a, h->since, &hit.since) < 0 ||
	    give_time(a, h->last, &hit.last) < 0)
		return -ENOMEM;
	return array_push(&s->hits, hit);
}

static int give_unknown(struct arena *a, const struct unknown *u, struct log_summary *s)
{
	struct log_unknown x = { .count = u->count, .last_line = u->last_line };

	if (give_text(a, &u->text, &x.text) < 0 || give_time(a, u->first, &x.first) < 0 || give_time(a, u->last, &x.last) < 0)
		return -ENOMEM;
	return array_push(&s->unknown, x);
}

/* What a later good line of the same topic made history. */
static void mark_over(struct log_summary *s)
{
	size_t good[TOPICS] = { 0 };

	for (size_t i = 0; i < s->hits.len; i++) {
		const struct log_hit *h = &s->hits.v[i];

		if (h->kind->weight == LOG_GOOD)
			good[h->kind->topic] = MAX(good[h->kind->topic], h->last_line);
	}
	for (size_t i = 0; i < s->hits.len; i++) {
		struct log_hit *h = &s->hits.v[i];

		h->over = h->kind->topic != TOPIC_NONE && h->kind->weight >= LOG_WARNING && good[h->kind->topic] > h->last_line;
	}
}

static int give(struct log_counter *c, size_t lines, struct log_summary *s)
{
	*s = (struct log_summary){ .lines = lines, .errors_unknown = c->errors_unknown, .starts = c->starts.starts, .started_line = c->starts.started_line };
	for (size_t i = 0; i < c->held.len; i++)
		if (give_hit(c->arena, c->held.v[i], s) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < c->unknown_n; i++)
		if (give_unknown(c->arena, &c->unknown[i], s) < 0)
			return -ENOMEM;
	mark_over(s);
	if (c->mode_line >= c->starts.started_line && give_text(c->arena, &c->mode, &s->mode) < 0)
		return -ENOMEM;
	if (give_text(c->arena, &c->first_unknown, &s->first_unknown) < 0 || give_text(c->arena, &c->version, &s->version) < 0)
		return -ENOMEM;
	return give_time(c->arena, c->until, &s->until);
}

int log_counter_end(struct log_counter *c, size_t lines, struct log_summary *ret)
{
	struct log_summary s;
	int r = give(c, lines, &s);

	if (r < 0)
		log_summary_release(&s);
	else
		*ret = s;
	return r;
}
