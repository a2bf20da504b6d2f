/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program wrote at once: its level, and of kube-proxy its message and the values behind it. klog writes a header and a text (k8s.io/klog,
 * formatHeader), the same with a quoted message and values (internal/serialize: what has several lines stands between "=<" and " >", each line
 * behind a TAB), or with --logging-format=json one object (k8s.io/component-base/logs/json: what has no "v" is an error).
 */
#include <ctype.h>

#include "klog-private.h"

static const struct {
	const char *word;
	unsigned level;
} levels[] = {
	{ "[INFO] ", LEVEL_INFO },   { "[WARNING] ", LEVEL_WARNING }, { "[ERROR] ", LEVEL_ERROR },
	{ "[DEBUG] ", LEVEL_DEBUG }, { "[FATAL] ", LEVEL_FATAL },     { "[PANIC] ", LEVEL_FATAL },
};

static bool skip(struct log_line *l, size_t n)
{
	l->text += n;
	l->len -= n;
	return true;
}

static bool starts(const struct log_line *l, const char *s)
{
	return l->len >= strlen(s) && memcmp(l->text, s, strlen(s)) == 0;
}

static bool same_text(const struct log_span *v, const char *want, size_t len)
{
	return v->len == len && len && *v->s == *want && memcmp(v->s, want, len) == 0;
}
#define IS(v, want) same_text(v, want, sizeof(want) - 1)

/* Taken out of its quotes; what is in them already stays where it is. */
static struct log_span unquoted(struct log_line *l, const char *s, size_t len)
{
	struct log_span v = { s, len };

	if (!len || !memchr(s, '\\', len))
		return v;
	v.s = l->buf + l->used;
	v.len = log_unquote(s, len, l->buf + l->used, sizeof(l->buf) - l->used);
	l->used += v.len;
	return v;
}

/* ---- klog's header ---- */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

bool log_klog_begins(const char *s, size_t len)
{
	if (len < 20 || (*s != 'I' && *s != 'W' && *s != 'E' && *s != 'F'))
		return false;
	return digit(s[1]) && digit(s[2]) && digit(s[3]) && digit(s[4]) && s[5] == ' ' && digit(s[6]) && digit(s[7]) && s[8] == ':' &&
	       digit(s[9]) && digit(s[10]) && s[11] == ':' && digit(s[12]) && digit(s[13]) && s[14] == '.';
}

/* "]" that ends it: a blank follows, or nothing. */
static const char *header_end(const char *text, size_t len)
{
	const char *s = text + 20, *end = text + MIN(len, (size_t)200);

	while (s < end && (s = memchr(s, ']', (size_t)(end - s)))) {
		if (s + 1 == text + len || s[1] == ' ')
			return s;
		s++;
	}
	return NULL;
}

/* "E0613 20:16:33.123456       1 reflector.go:138] " */
static bool klog_header(struct log_line *l)
{
	const char *end = log_klog_begins(l->text, l->len) ? header_end(l->text, l->len) : NULL, *s = l->text;

	if (!end)
		return false;
	l->level = LEVEL_KLOG | (*s == 'I' ? LEVEL_INFO : *s == 'W' ? LEVEL_WARNING : *s == 'E' ? LEVEL_ERROR : LEVEL_FATAL);
	if (!l->time[0]) {
		memcpy(l->time, "00-00 ", 6);
		memcpy(l->time, s + 1, 2);
		memcpy(l->time + 3, s + 3, 2);
		memcpy(l->time + 6, s + 6, 8);
		l->time[14] = '\0';
	}
	for (s += 15; s < end && digit(*s); s++)
		;
	for (; s < end && *s == ' '; s++)
		;
	for (unsigned i = 0; s < end && digit(*s) && i < 9; s++, i++)
		l->pid = l->pid * 10 + (uint32_t)(*s - '0');
	return skip(l, MIN((size_t)(end - l->text) + 2, l->len));
}

static bool word_level(struct log_line *l)
{
	if (!l->len || *l->text != '[')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (starts(l, levels[i].word)) {
			l->level = levels[i].level;
			return skip(l, strlen(levels[i].word));
		}
	return false;
}

/* Values of klog are quoted again: of CoreDNS what was quoted in them is read as it was. */
static void unquote_all(struct log_line *l)
{
	size_t n = 0;

	if (!memmem(l->text, l->len, "\\\"", 2))
		return;
	for (size_t i = 0; i < l->len && n < sizeof(l->buf); i++)
		if (l->text[i] != '\\' || i + 1 == l->len || l->text[i + 1] != '"')
			l->buf[n++] = l->text[i];
	l->text = l->buf;
	l->len = n;
}

/* ---- values ---- */

/* Behind a value of several lines: its last line is " >". */
static const char *block_end(const char *s, const char *end, const char **ret_close)
{
	while (s < end) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));

		if (!nl)
			break;
		for (s = nl + 1; s < end && *s == ' '; s++)
			;
		if (s < end && *s == '>' && (s + 1 == end || s[1] == ' ' || s[1] == '\n')) {
			*ret_close = nl;
			return s + 1;
		}
	}
	*ret_close = end;
	return end;
}

/* Numbers, and lists that klog did not quote. */
static const char *bare_end(const char *s, const char *end)
{
	size_t depth = 0;

	while (s < end && *s != '\n' && (depth || *s != ' ')) {
		if (*s == '"') {
			s = log_string_end(s + 1, end);
			continue;
		}
		depth += *s == '[' || *s == '{';
		depth -= depth && (*s == ']' || *s == '}');
		s++;
	}
	return s;
}

/* The value that begins at @s; where it ends. */
static const char *read_value(const char *s, const char *end, struct log_pair *p)
{
	const char *past;

	if (s < end && *s == '"') {
		past = log_string_end(s + 1, end);
		p->kind = '"';
		p->value = (struct log_span){ s + 1, (size_t)(past - s - 1) - (past > s + 1 && past[-1] == '"') };
	} else if (s < end && s[0] == '<' && (s + 1 == end || s[1] == '\n')) {
		const char *close, *begin = MIN(s + 2, end);

		past = block_end(s + 1, end, &close);
		p->kind = '<';
		p->value = (struct log_span){ begin, close > begin ? (size_t)(close - begin) : 0 };
	} else {
		past = bare_end(s, end);
		p->kind = '0';
		p->value = (struct log_span){ s, (size_t)(past - s) };
	}
	return past;
}

/* ' key="value" key=3'. Keys may have blanks ("primary ipFamily"). */
void log_read_pairs(struct log_line *l, const char *s, const char *end)
{
	while (l->pairs_n < LOG_PAIRS_MAX) {
		struct log_pair p;
		const char *eq;

		while (s < end && (*s == ' ' || *s == '\n'))
			s++;
		eq = s < end ? memchr(s, '=', (size_t)(end - s)) : NULL;
		if (!eq)
			return;
		p.key = (struct log_span){ s, (size_t)(eq - s) };
		s = read_value(eq + 1, end, &p);
		l->pairs[l->pairs_n++] = p;
	}
}

/* Each line of a block stands behind a TAB. */
static struct log_span unblocked(struct log_line *l, const struct log_span *v)
{
	struct log_span r = { l->buf + l->used, 0 };
	bool begin = true;

	for (size_t i = 0; i < v->len && l->used < sizeof(l->buf); i++) {
		if (!begin || v->s[i] != '\t')
			l->buf[l->used++] = v->s[i];
		begin = v->s[i] == '\n';
	}
	r.len = (size_t)(l->buf + l->used - r.s);
	return r;
}

bool log_line_value(struct log_line *l, const char *key, struct log_span *ret)
{
	const size_t len = strlen(key);

	for (size_t i = 0; i < l->pairs_n; i++) {
		const struct log_pair *p = &l->pairs[i];

		if (!same_text(&p->key, key, len))
			continue;
		*ret = p->kind == '"' ? unquoted(l, p->value.s, p->value.len) : p->kind == '<' ? unblocked(l, &p->value) : p->value;
		return true;
	}
	return false;
}

/* ---- styles ---- */

static void trim(struct log_span *v)
{
	while (v->len && isspace((unsigned char)v->s[v->len - 1]))
		v->len--;
}

static void read_err(struct log_line *l)
{
	if (!log_line_value(l, "err", &l->err))
		log_line_value(l, "error", &l->err);
	trim(&l->err);
}

static void read_klog(struct log_line *l)
{
	const char *past;

	l->style = STYLE_PRINTF;
	l->message = (struct log_span){ l->text, l->len };
	trim(&l->message);
	if (!l->len || *l->text != '"')
		return;
	past = log_string_end(l->text + 1, l->text + l->len);
	/* a text that only begins with a quoted word is none of the structured ones */
	if (past < l->text + 2 || past[-1] != '"' || (past < l->text + l->len && *past != ' ' && *past != '\n'))
		return;
	if (past + 1 < l->text + l->len && !memchr(past, '=', (size_t)(l->text + l->len - past)))
		return;
	l->style = STYLE_STRUCTURED;
	l->message = unquoted(l, l->text + 1, (size_t)(past - l->text) - 2);
	trim(&l->message);
	log_read_pairs(l, past, l->text + l->len);
	read_err(l);
}

/* Thousandths of what is written, "1700000000000.1"; -1: it is no plain number. */
static int64_t thousandths(const struct log_span *v)
{
	int64_t n = 0;
	unsigned behind = 0;
	bool point = false;

	for (size_t i = 0; i < v->len; i++) {
		if (v->s[i] == '.' && !point) {
			point = true;
		} else if (!digit(v->s[i]) || (behind < 3 && n > INT64_C(1000000000000000))) {
			return -1;
		} else if (behind < 3) {
			behind += point;
			n = n * 10 + (v->s[i] - '0');
		}
	}
	for (; behind < 3 && n < INT64_C(100000000000000000); behind++)
		n *= 10;
	return v->len && behind == 3 ? n : -1;
}

/* "ts": milliseconds, or seconds; also a text. */
static void json_time(struct log_line *l, const struct log_pair *p)
{
	char t[LOG_TIME_MAX] = "";
	int64_t n;

	if (l->time[0] || p->value.len >= sizeof(t))
		return;
	if (p->kind == '"') {
		memcpy(t, p->value.s, p->value.len);
		if (log_time(t, 0) >= 0)
			memcpy(l->time, t, sizeof(t));
		return;
	}
	n = thousandths(&p->value);
	if (n > 0)
		log_time_write(n < INT64_C(100000000000000) ? n : n / 1000, l->time);
}

static bool read_json(struct log_line *l)
{
	struct log_json j;
	struct log_pair p;
	bool verbose = false, message = false;

	if (!l->len || *l->text != '{' || !log_json_open(&j, l->text, l->len))
		return false;
	while (l->pairs_n < LOG_PAIRS_MAX && log_json_next(&j, &p.key, &p.value, &p.kind)) {
		verbose |= IS(&p.key, "v");
		if (IS(&p.key, "ts"))
			json_time(l, &p);
		if (IS(&p.key, "level")) /* of others than klog; what they say of an error is no less */
			verbose |= p.kind == '"' && !IS(&p.value, "error") && !IS(&p.value, "fatal") && !IS(&p.value, "panic");
		if (IS(&p.key, "msg") && p.kind == '"' && !message) {
			message = true;
			l->message = unquoted(l, p.value.s, p.value.len);
		}
		l->pairs[l->pairs_n++] = p;
	}
	if (!message) {
		l->pairs_n = 0;
		return false;
	}
	trim(&l->message);
	l->style = STYLE_JSON;
	l->level = LEVEL_KLOG | (verbose ? LEVEL_INFO : LEVEL_ERROR);
	read_err(l);
	return true;
}

/* time="2026-11-21T07:32:33Z" level=warning msg="...": of libraries that kube-proxy has inside (logrus, in libnetwork's ipvs) */
static bool read_logfmt(struct log_line *l)
{
	struct log_span v;

	if (!starts(l, "time=\""))
		return false;
	log_read_pairs(l, l->text, l->text + l->len);
	if (!log_line_value(l, "msg", &l->message)) {
		l->pairs_n = 0;
		return false;
	}
	l->style = STYLE_STRUCTURED;
	if (log_line_value(l, "level", &v))
		l->level = IS(&v, "error") ? LEVEL_ERROR : IS(&v, "warning") ? LEVEL_WARNING : IS(&v, "fatal") ? LEVEL_FATAL : LEVEL_INFO;
	json_time(l, &l->pairs[0]);
	return true;
}

/* "kern  :warn  : ", as dmesg -x decodes it. */
static void kernel_words(struct log_line *l)
{
	const char *end = l->text + MIN(l->len, (size_t)20), *first = memchr(l->text, ':', (size_t)(end - l->text));
	const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;

	if (!second || second + 1 == l->text + l->len || second[1] != ' ' || first - l->text != 6 || second - first != 7)
		return;
	l->level = memcmp(first + 1, "warn", 4) == 0 ? LEVEL_WARNING : memcmp(first + 1, "info", 4) == 0 || memcmp(first + 1, "noti", 4) == 0 ? LEVEL_INFO :
		   memcmp(first + 1, "debu", 4) == 0 ? LEVEL_DEBUG : LEVEL_ERROR;
	skip(l, (size_t)(second - l->text) + 2);
}

/* "<4>" and the time of dmesg. */
static void read_kernel(struct log_line *l)
{
	const char *end;

	kernel_words(l);
	if (l->len > 2 && l->text[0] == '<' && digit(l->text[1]) && (end = memchr(l->text, '>', MIN(l->len, (size_t)5)))) {
		const unsigned n = (unsigned)strtoul(l->text + 1, NULL, 10) & 7; /* the rest is the facility */

		l->level = n < 4 ? LEVEL_ERROR : n == 4 ? LEVEL_WARNING : n == 7 ? LEVEL_DEBUG : LEVEL_INFO;
		skip(l, (size_t)(end - l->text) + 1);
	}
	end = l->len && *l->text == '[' ? memchr(l->text, ']', MIN(l->len, (size_t)32)) : NULL;
	if (end)
		skip(l, (size_t)(end - l->text) + 1);
	while (l->len && *l->text == ' ')
		skip(l, 1);
}

void log_line_read(struct log_line *l, enum log_program program)
{
	l->text = l->whole;
	l->len = l->whole_len;
	l->level = LEVEL_NONE;
	l->style = STYLE_PLAIN;
	l->pid = 0;
	l->pairs_n = l->used = 0;
	l->err = (struct log_span){ 0 };
	if (program == LOG_KERNEL) {
		read_kernel(l);
	} else if (klog_header(l)) {
		if (program == LOG_KUBE_PROXY)
			read_klog(l);
		else
			unquote_all(l);
		return;
	} else if (program == LOG_KUBE_PROXY && (read_json(l) || read_logfmt(l))) {
		return;
	} else {
		word_level(l);
	}
	l->message = (struct log_span){ l->text, l->len };
	trim(&l->message);
}

/* ---- where an entry ends ---- */

bool log_is_structured(const char *s, size_t len)
{
	const char *end = header_end(s, len);

	return end && end + 2 < s + len && end[2] == '"';
}

bool log_opens_value(const char *s, size_t len)
{
	return len >= 2 && s[len - 1] == '<' && s[len - 2] == '=';
}

bool log_closes_value(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && s[i] == ' ')
		i++;
	return i < len && s[i] == '>' && (i + 1 == len || s[i + 1] == ' ');
}

bool log_entry_goes_on(bool open, bool structured, const char *s, size_t len)
{
	static const char *const new[] = { "{\"", "time=\"", "panic: ", "fatal error: ", "goroutine ", "SIGQUIT", "Error: " };

	if (open || structured)
		return open;
	for (size_t i = 0; i < ARRAY_LEN(new); i++)
		if (len >= strlen(new[i]) && memcmp(s, new[i], strlen(new[i])) == 0)
			return false;
	return true;
}
