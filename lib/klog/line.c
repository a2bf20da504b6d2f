/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of a log: what stands before it is taken off, whoever put it there, and its level and time are read. Runtimes write "TIME stderr F "
 * (CRI) or JSON (docker), kubectl "[pod/x/y] " and a time, journald a date, host and process; CoreDNS a date before 1.4, RFC 3339 from 1.4 to
 * 1.6 and neither since; client-go the header of klog (k8s.io/klog, formatHeader).
 */
#include <ctype.h>

#include "klog-private.h"

static bool digits(const char *s, const char *shape)
{
	for (; *shape; s++, shape++) {
		if (*shape == '0' ? !isdigit((unsigned char)*s) : *s != *shape)
			return false;
	}
	return true;
}

/* How long the RFC 3339 time at @s is, or 0. */
static size_t time_len(const char *s, size_t len)
{
	size_t n = 19;

	if (len < 20 || !digits(s, "0000-00-00T00:00:00"))
		return 0;
	if (s[n] == '.')
		for (n++; n < len && isdigit((unsigned char)s[n]); n++)
			;
	if (n < len && s[n] == 'Z')
		return n + 1;
	if (len - n >= 6 && (s[n] == '+' || s[n] == '-') && digits(s + n + 1, "00:00"))
		return n + 6;
	if (len - n >= 5 && (s[n] == '+' || s[n] == '-') && digits(s + n + 1, "0000"))
		return n + 5;
	return 0;
}

/* The time that stands nearest to the beginning is kept: it is that of whoever collected the line, and has a year. */
static void keep_time(struct log_line *l, const char *s, size_t len)
{
	if (l->time[0] || len >= sizeof(l->time))
		return;
	memcpy(l->time, s, len);
	l->time[len] = '\0';
}

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

/* "stderr F " behind a time. *@ret_part: the line goes on in the next one. */
static bool skip_stream(struct log_line *l, bool *ret_part)
{
	if (!starts(l, "stdout ") && !starts(l, "stderr "))
		return false;
	if (l->len < 8 || (l->text[7] != 'F' && l->text[7] != 'P') || (l->len > 8 && l->text[8] != ' ' && l->text[8] != ':'))
		return false;
	*ret_part = l->text[7] == 'P';
	skip(l, 8);
	while (l->len && *l->text != ' ')
		skip(l, 1);
	return l->len ? skip(l, 1) : true;
}

static bool skip_rfc3339(struct log_line *l, bool *ret_part)
{
	size_t n = time_len(l->text, l->len);

	if (!n || (n < l->len && l->text[n] != ' '))
		return false;
	keep_time(l, l->text, n);
	skip(l, n);
	if (l->len)
		skip(l, 1);
	skip_stream(l, ret_part);
	return true;
}

static bool skip_date(struct log_line *l)
{
	char t[20];

	if (l->len < 20 || !digits(l->text, "0000/00/00 00:00:00") || l->text[19] != ' ')
		return false;
	memcpy(t, l->text, 19);
	t[4] = t[7] = '-';
	t[10] = 'T';
	keep_time(l, t, 19);
	return skip(l, 20);
}

/* "[pod/coredns-x/coredns] " */
static bool skip_pod(struct log_line *l)
{
	const char *end = starts(l, "[pod/") ? memchr(l->text, ']', l->len) : NULL;

	if (!end || end + 1 == l->text + l->len || end[1] != ' ')
		return false;
	return skip(l, (size_t)(end - l->text) + 2);
}

/* "May 01 10:00:00 node1 coredns[123]: " */
static bool skip_journal(struct log_line *l)
{
	const char *host, *end;

	if (l->len < 18 || !isupper((unsigned char)l->text[0]) || l->text[3] != ' ' || !digits(l->text + 6, " 00:00:00 "))
		return false;
	host = memchr(l->text + 16, ' ', l->len - 16);
	end = host ? memmem(host, (size_t)(l->text + l->len - host), "]: ", 3) : NULL;
	if (!end || memchr(host + 1, ' ', (size_t)(end - host) - 1))
		return false;
	keep_time(l, l->text, 15);
	return skip(l, (size_t)(end - l->text) + 3);
}

/* ---- JSON of docker ---- */

static size_t json_char(const char *s, size_t len, char *ret)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *known;

	if (*s != '\\' || len < 2) {
		*ret = *s;
		return 1;
	}
	if (s[1] == 'u' && len >= 6) {
		unsigned v = 0;

		for (size_t i = 2; i < 6; i++)
			v = v * 16 + (unsigned)(isdigit((unsigned char)s[i]) ? s[i] - '0' : (s[i] | 0x20) - 'a' + 10);
		*ret = v < 0x80 ? (char)v : '?';
		return 6;
	}
	known = strchr(from, s[1]);
	*ret = known && *known ? to[known - from] : s[1];
	return 2;
}

/* Copies the string behind @key into @buf. */
static bool json_text(const struct log_line *l, const char *key, char *buf, size_t size, size_t *ret_len)
{
	const char *s = memmem(l->text, l->len, key, strlen(key)), *end = l->text + l->len;
	size_t n = 0;

	if (!s)
		return false;
	for (s += strlen(key); s < end && *s != '"' && n < size;)
		s += json_char(s, (size_t)(end - s), &buf[n++]);
	*ret_len = n;
	return true;
}

static bool take_json(struct log_line *l, bool *ret_part)
{
	char t[sizeof(l->time)];
	size_t n, tn;

	if (!starts(l, "{\"log\":\"") || l->text == l->buf || !json_text(l, "{\"log\":\"", l->buf, sizeof(l->buf), &n))
		return false;
	if (json_text(l, "\"time\":\"", t, sizeof(t) - 1, &tn) && time_len(t, tn) == tn)
		keep_time(l, t, tn);
	*ret_part = n && l->buf[n - 1] != '\n';
	while (n && (l->buf[n - 1] == '\n' || l->buf[n - 1] == '\r'))
		n--;
	l->text = l->buf;
	l->len = n;
	return true;
}

/* ---- level ---- */

static const struct {
	const char *word;
	unsigned level;
} levels[] = {
	{ "[INFO] ", LEVEL_INFO },   { "[WARNING] ", LEVEL_WARNING }, { "[ERROR] ", LEVEL_ERROR },
	{ "[DEBUG] ", LEVEL_DEBUG }, { "[FATAL] ", LEVEL_FATAL },     { "[PANIC] ", LEVEL_FATAL },
};

/* "E0613 20:16:33.123456       1 reflector.go:138] " */
static bool klog_header(struct log_line *l)
{
	static const char letters[] = "IWEF";
	static const unsigned of[] = { LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL_FATAL };
	const char *letter, *end;
	char t[16];

	if (l->len < 30 || !digits(l->text + 1, "0000 00:00:00."))
		return false;
	letter = strchr(letters, l->text[0]);
	end = memmem(l->text, MIN(l->len, (size_t)200), "] ", 2);
	if (!letter || !*letter || !end)
		return false;
	l->level = of[letter - letters] | LEVEL_KLOG;
	snprintf(t, sizeof(t), "%.2s-%.2s %.8s", l->text + 1, l->text + 3, l->text + 6);
	keep_time(l, t, strlen(t));
	return skip(l, (size_t)(end - l->text) + 2);
}

static void read_level(struct log_line *l)
{
	l->level = LEVEL_NONE;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (starts(l, levels[i].word)) {
			l->level = levels[i].level;
			skip(l, strlen(levels[i].word));
			return;
		}
	klog_header(l);
}

/* Values of klog are quoted again: what was quoted in them is read as it was. */
static void unquote(struct log_line *l)
{
	size_t n = 0;

	if (!(l->level & LEVEL_KLOG) || !memmem(l->text, l->len, "\\\"", 2))
		return;
	for (size_t i = 0; i < l->len && n < sizeof(l->buf); i++)
		if (l->text[i] != '\\' || i + 1 == l->len || l->text[i + 1] != '"')
			l->buf[n++] = l->text[i];
	l->text = l->buf;
	l->len = n;
}

/* ---- */

/* The next line of the file. @ret_part: it goes on in the one behind it. */
static void one_line(const char *s, size_t len, struct log_line *l, bool *ret_part)
{
	*ret_part = false;
	l->text = s;
	l->len = MIN(len, (size_t)LOG_LINE_MAX);
	while (skip_pod(l) || skip_rfc3339(l, ret_part) || skip_date(l) || skip_journal(l) || take_json(l, ret_part))
		;
}

static bool raw_line(const char *data, size_t size, size_t *at, size_t *lines, const char **ret, size_t *ret_len)
{
	const char *end;

	if (*at >= size)
		return false;
	end = memchr(data + *at, '\n', size - *at);
	*ret = data + *at;
	*ret_len = end ? (size_t)(end - *ret) : size - *at;
	*at += *ret_len + (end != NULL);
	++*lines;
	while (*ret_len && (*ret)[*ret_len - 1] == '\r')
		--*ret_len;
	return true;
}

/* The parts behind the first one, without what stands before them. */
static void join_parts(const char *data, size_t size, size_t *at, size_t *lines, struct log_line *l)
{
	size_t n = MIN(l->len, sizeof(l->buf)), len;
	bool part = true;
	const char *s;

	memmove(l->buf, l->text, n);
	while (part && raw_line(data, size, at, lines, &s, &len)) {
		struct log_line more = { .time = "" };
		size_t take;

		one_line(s, len, &more, &part);
		take = MIN(more.len, sizeof(l->buf) - n);
		memcpy(l->buf + n, more.text, take);
		n += take;
	}
	l->text = l->buf;
	l->len = n;
}

bool log_line_next(const char *data, size_t size, size_t *at, size_t *lines, struct log_line *ret)
{
	const char *s;
	size_t len;
	bool part;

	ret->time[0] = '\0';
	if (!raw_line(data, size, at, lines, &s, &len))
		return false;
	one_line(s, len, ret, &part);
	if (part)
		join_parts(data, size, at, lines, ret);
	ret->whole = ret->text;
	ret->whole_len = ret->len;
	read_level(ret);
	unquote(ret);
	return true;
}
