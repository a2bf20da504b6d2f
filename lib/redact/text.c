/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free text: messages of events and conditions, reasons, log lines, comments. Addresses are replaced as addresses; words of the
 * vocabulary and short numbers stay, unless an object is called so; all else is replaced as names are, so that a pod's name in a message is
 * the one that the pod has.
 */

#include <ctype.h>

#include "redact-private.h"

#define NUMBER_MAX 5  /* digits: ports, exit codes, sizes */
#define UNIT_MAX 2    /* "30s", "512Mi", "100m" */

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

static bool in_address(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.';
}

static bool is_number(const char *s, size_t len)
{
	size_t digits = 0, i = 0;

	for (; i < len && (isdigit((unsigned char)s[i]) || (s[i] == '.' && i > 0)); i++)
		digits += s[i] != '.';
	return digits > 0 && digits <= NUMBER_MAX && len - i <= UNIT_MAX && (i == len || isalpha((unsigned char)s[i]));
}

/* "CrashLoopBackOff", "kubectl": piece by piece. */
static bool all_vocabulary(const char *s, size_t len)
{
	if (redact_is_vocabulary(s, len))
		return true;
	for (size_t from = 0; from < len;) {
		size_t to = from + 1;

		if (!isalpha((unsigned char)s[from]))
			return false;
		while (to < len && !(isupper((unsigned char)s[to]) &&
				     (islower((unsigned char)s[to - 1]) || (to + 1 < len && islower((unsigned char)s[to + 1])))))
			to++;
		if (!redact_is_vocabulary(s + from, to - from))
			return false;
		from = to;
	}
	return true;
}

static bool is_object(const struct redact *r, const char *s, size_t len)
{
	return map_get(&r->names, s, len);
}

static bool is_one_log_word(const struct redact *r, const char *s, size_t len)
{
	char word[64];

	if (len >= sizeof(word))
		return false;
	for (size_t i = 0; i < len; i++)
		word[i] = (char)tolower((unsigned char)s[i]);
	return len == 1 || map_get(&r->log_words, word, len);
}

/* Of a log also the words of known lines, which are the programs' own: a whole word, or each of its parts. */
static bool is_log_word(const struct redact *r, const char *s, size_t len)
{
	if (!r->in_log)
		return false;
	if (is_one_log_word(r, s, len))
		return true;
	for (size_t from = 0; from < len;) {
		size_t n = 0;

		while (from + n < len && s[from + n] != '.')
			n++;
		if (n == len || n == 0 || is_object(r, s + from, n) || !(is_one_log_word(r, s + from, n) || all_vocabulary(s + from, n)))
			return false;
		from += n + 1;
	}
	return true;
}

/* A name, or a word of the sentence. */
static void add_word(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	if (is_number(s, len) || (!is_object(r, s, len) && (all_vocabulary(s, len) || is_log_word(r, s, len))))
		strbuf_add(b, s, len);
	else
		redact_add_name(r, b, s, len);
}

/* "10.1.2.3:80", "10.1.0.0/16", "[fd00::1]:80", "fd00::1/64", a MAC. How much of it was taken; 0: none. */
static size_t add_address(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	size_t n = 0, prefix;

	while (n < len && in_address(s[n]))
		n++;
	/* Behind the address may stand a full stop, a colon, or a port. */
	for (; n >= 2; n--) {
		if (n < len && isalnum((unsigned char)s[n]) && s[n - 1] != ':')
			continue;
		prefix = n;
		if (n + 1 < len && s[n] == '/' && isdigit((unsigned char)s[n + 1])) {
			for (prefix = n + 1; prefix < len && isdigit((unsigned char)s[prefix]); prefix++)
				;
		}
		if (redact_add_mac(r, b, s, n))
			return n;
		if (memchr(s, ':', n) == NULL && memchr(s, '.', n) == NULL)
			continue;
		if (redact_add_address(r, b, s, prefix))
			return prefix;
		if (prefix > n && redact_add_address(r, b, s, n))
			return n;
	}
	return 0;
}

void redact_add_text(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 0, tail = 0;

		if ((isxdigit((unsigned char)s[at]) || s[at] == ':') && (at == 0 || !in_word(s[at - 1])) &&
		    (n = add_address(r, b, s + at, len - at)) > 0) {
			at += n;
			continue;
		}
		while (at + n < len && in_word(s[at + n]))
			n++;
		while (n > 0 && strchr(".-_", s[at + n - 1]) && s[at + n - 1]) {
			n--;
			tail++;
		}
		if (n > 0)
			add_word(r, b, s + at, n);
		strbuf_add(b, s + at + n, tail);
		if (n + tail == 0)
			strbuf_addc(b, (unsigned char)s[at] < ' ' && s[at] != '\n' && s[at] != '\t' ? ' ' : s[at]);
		at += MAX(n + tail, (size_t)1);
	}
}
