/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line of a log: what stands before it is taken off, whoever put it there, and its time is read. Runtimes write "TIME stderr F " (CRI) or
 * JSON (docker), kubectl "[pod/x/y] " and a time, journald a date, host and process, or JSON (journalctl -o json, systemd.journal-fields(7));
 * CoreDNS a date before 1.4, RFC 3339 from 1.4 to 1.6 and neither since; the kernel, as dmesg shows it, its level and seconds since its start.
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
	if (s[n] == '.' || s[n] == ',')
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
static void keep_time(struct log_raw *l, const char *s, size_t len)
{
	if (l->time[0] || len >= sizeof(l->time))
		return;
	memcpy(l->time, s, len);
	l->time[len] = '\0';
	if (len > 19 && l->time[19] == ',') /* dmesg --time-format=iso */
		l->time[19] = '.';
}

static bool skip(struct log_raw *l, size_t n)
{
	l->text += n;
	l->len -= n;
	return true;
}

static bool starts(const struct log_raw *l, const char *s)
{
	return l->len >= strlen(s) && memcmp(l->text, s, strlen(s)) == 0;
}

/* "stderr F " behind a time. */
static bool skip_stream(struct log_raw *l)
{
	if (!starts(l, "stdout ") && !starts(l, "stderr "))
		return false;
	if (l->len < 8 || (l->text[7] != 'F' && l->text[7] != 'P') || (l->len > 8 && l->text[8] != ' ' && l->text[8] != ':'))
		return false;
	l->part = l->text[7] == 'P';
	skip(l, 8);
	while (l->len && *l->text != ' ')
		skip(l, 1);
	return l->len ? skip(l, 1) : true;
}

/* "node1 coredns[123]: ", "node1 kernel: " behind a time of the journal. */
static bool skip_process(struct log_raw *l)
{
	const size_t most = MIN(l->len, (size_t)400);
	const char *host = memchr(l->text, ' ', most), *end;

	if (!host || host == l->text)
		return false;
	end = memchr(host + 1, ' ', most - (size_t)(host + 1 - l->text));
	if (!end || end - host < 4 || end[-1] != ':')
		return false;
	if (end[-2] == ']') {
		const char *p = end - 3;

		while (p > host + 1 && isdigit((unsigned char)*p))
			p--;
		if (*p != '[' || p == end - 3 || p == host + 1)
			return false;
	} else if (end - host != 8 || memcmp(host, " kernel:", 8) != 0) {
		return false;
	}
	return skip(l, (size_t)(end - l->text) + 1);
}

static bool skip_rfc3339(struct log_raw *l)
{
	size_t n = time_len(l->text, l->len);

	if (!n || (n < l->len && l->text[n] != ' '))
		return false;
	keep_time(l, l->text, n);
	skip(l, n);
	if (l->len)
		skip(l, 1);
	if (!skip_stream(l)) /* journalctl -o short-iso */
		skip_process(l);
	return true;
}

static bool skip_date(struct log_raw *l)
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
static bool skip_pod(struct log_raw *l)
{
	const char *end = starts(l, "[pod/") ? memchr(l->text, ']', l->len) : NULL;

	if (!end || end + 1 == l->text + l->len || end[1] != ' ')
		return false;
	return skip(l, (size_t)(end - l->text) + 2);
}

/* "May 01 10:00:00 node1 coredns[123]: ", also with parts of a second */
static bool skip_journal(struct log_raw *l)
{
	const struct log_raw before = { .text = l->text, .len = l->len };
	size_t n = 15;

	if (l->len < 18 || !isupper((unsigned char)l->text[0]) || l->text[3] != ' ' || !digits(l->text + 5, "0 00:00:00"))
		return false;
	if (!islower((unsigned char)l->text[1]) || !islower((unsigned char)l->text[2]) || (l->text[4] != ' ' && !isdigit((unsigned char)l->text[4])))
		return false;
	if (l->text[n] == '.')
		for (n++; n < l->len && isdigit((unsigned char)l->text[n]); n++)
			;
	if (n == l->len || l->text[n] != ' ')
		return false;
	skip(l, n + 1);
	if (skip_process(l)) {
		keep_time(l, before.text, 15);
		return true;
	}
	l->text = before.text;
	l->len = before.len;
	return false;
}

/* "Fri 2026-05-01 10:00:00 UTC node1 coredns[123]: ", journalctl -o short-full; of other zones the time is not kept, since their names tell little */
static bool skip_full(struct log_raw *l)
{
	const struct log_raw before = { .text = l->text, .len = l->len };
	const char *zone_end;
	char t[21];

	if (l->len < 30 || !isupper((unsigned char)l->text[0]) || l->text[3] != ' ' || !digits(l->text + 4, "0000-00-00 00:00:00 "))
		return false;
	zone_end = memchr(l->text + 24, ' ', MIN(l->len - 24, (size_t)8));
	if (!zone_end)
		return false;
	skip(l, (size_t)(zone_end - l->text) + 1);
	if (!skip_process(l)) {
		l->text = before.text;
		l->len = before.len;
		return false;
	}
	memcpy(t, before.text + 4, 19);
	t[10] = 'T';
	t[19] = 'Z';
	if (zone_end - before.text == 27 && memcmp(before.text + 24, "UTC", 3) == 0)
		keep_time(l, t, 20);
	return true;
}

/* ---- JSON of docker and of journald ---- */

static bool is_key(const struct log_span *key, const char *want)
{
	return key->len == strlen(want) && memcmp(key->s, want, key->len) == 0;
}

static void json_time(struct log_raw *l, const struct log_span *key, const struct log_span *value)
{
	if (is_key(key, "time")) {
		if (time_len(value->s, value->len) == value->len)
			keep_time(l, value->s, value->len);
	} else if (is_key(key, "__REALTIME_TIMESTAMP")) {
		int64_t us = 0;

		for (size_t i = 0; i < value->len && i < 18 && isdigit((unsigned char)value->s[i]); i++)
			us = us * 10 + (value->s[i] - '0');
		if (us && !l->time[0])
			log_time_write(us / 1000, l->time);
	}
}

/* Which member of the object is the line; NULL: none, it is itself one. klog's own objects begin with these. */
static bool take_text(struct log_raw *l, struct log_json *j)
{
	struct log_span key, v, text = { 0 };
	bool docker = false;
	char kind, text_kind = 0;

	for (unsigned i = 0; i < 100 && log_json_next(j, &key, &v, &kind); i++) {
		if (i == 0 && (is_key(&key, "ts") || is_key(&key, "msg") || is_key(&key, "caller")))
			return false;
		if (is_key(&key, "log") || is_key(&key, "MESSAGE")) {
			docker = key.len == 3;
			text = v;
			text_kind = kind;
		} else if (kind == '"') {
			json_time(l, &key, &v);
		}
	}
	if (text_kind != '"' && text_kind != '[')
		return false;
	l->len = text_kind == '"' ? log_unquote(text.s, text.len, l->buf, sizeof(l->buf)) : log_json_bytes(text.s, text.len, l->buf, sizeof(l->buf));
	l->text = l->buf;
	/* docker cuts long lines, too */
	l->part = docker && l->len && l->len < sizeof(l->buf) && l->buf[l->len - 1] != '\n';
	while (l->len && (l->buf[l->len - 1] == '\n' || l->buf[l->len - 1] == '\r'))
		l->len--;
	l->lines = !docker;
	return true;
}

static bool take_json(struct log_raw *l)
{
	struct log_json j;

	return l->text != l->buf && log_json_open(&j, l->text, l->len) && take_text(l, &j);
}

/* ---- dmesg ---- */

/* "[   12.345678] ", "[Fri Nov 20 10:00:00 2026] ". What stands before it is the level, which entry.c reads. */
static void kernel_time(struct log_raw *l)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *s = memchr(l->text, '[', MIN(l->len, (size_t)24)), *end = s ? memchr(s, ']', MIN((size_t)(l->text + l->len - s), (size_t)32)) : NULL;

	if (!end || l->time[0])
		return;
	if (end - s == 25 && digits(s + 10, "0 00:00:00 0000") && (s[9] == ' ' || isdigit((unsigned char)s[9])))
		for (unsigned m = 0; m < 12; m++)
			if (memcmp(s + 5, months + 3 * (size_t)m, 3) == 0) {
				snprintf(l->time, sizeof(l->time), "%.4s-%02u-%c%cT%.8s", s + 21, m + 1, s[9] == ' ' ? '0' : s[9], s[10], s + 12);
				return;
			}
	for (s++; s < end && *s == ' '; s++)
		;
	for (const char *p = s; p < end; p++)
		if (!isdigit((unsigned char)*p) && *p != '.')
			return;
	keep_time(l, s, (size_t)(end - s));
}

/* ---- */

void log_raw_read(struct log_raw *l, enum log_program program, const char *s, size_t len)
{
	const char *end;

	while (len && s[len - 1] == '\r')
		len--;
	end = s + len;
	l->text = s;
	l->len = MIN(len, (size_t)LOG_RAW_MAX);
	l->part = l->lines = false;
	l->time[0] = '\0';
	if (!log_klog_begins(l->text, l->len))
		while (skip_pod(l) || skip_rfc3339(l) || skip_date(l) || skip_journal(l) || skip_full(l) || take_json(l))
			;
	if (program == LOG_KERNEL)
		kernel_time(l);
	l->len = MIN(l->len, (size_t)LOG_LINE_MAX);
	l->more = l->text == l->buf ? 0 : (size_t)(end - l->text) - l->len;
}
