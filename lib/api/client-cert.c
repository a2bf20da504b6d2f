/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a client certificate ends. An API server answers an expired one with a plain 401, so the date is looked up here: the few
 * fields of DER that stand before it are stepped over (RFC 5280, section 4.1). Nothing is decided by it but the words of a message.
 */
#include <time.h>

#include "client-private.h"

#define DER_MAX (64u << 10)

struct der {
	const unsigned char *p, *end;
};

/* Opens the element at the cursor, which steps behind it. False: there is none of that tag. */
static bool der_take(struct der *d, unsigned tag, struct der *ret)
{
	size_t len, bytes;

	if (d->end - d->p < 2 || d->p[0] != tag)
		return false;
	len = d->p[1];
	d->p += 2;
	if (len >= 0x80) {
		bytes = len & 0x7f;
		if (bytes == 0 || bytes > 3 || (size_t)(d->end - d->p) < bytes)
			return false;
		for (len = 0; bytes > 0; bytes--)
			len = len << 8 | *d->p++;
	}
	if ((size_t)(d->end - d->p) < len)
		return false;
	*ret = (struct der){ d->p, d->p + len };
	d->p += len;
	return true;
}

static int two(const unsigned char *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ". */
static bool read_time(const struct der *d, bool four_digits, int64_t *ret)
{
	size_t skip = four_digits ? 2 : 0;
	const unsigned char *p = d->p + skip;
	struct tm tm = { 0 };
	int century;

	if ((size_t)(d->end - d->p) != 13 + skip || d->end[-1] != 'Z')
		return false;
	for (int i = 0; i < 12; i += 2)
		if (two(p + i) < 0)
			return false;
	century = four_digits ? two(d->p) : two(p) < 50 ? 20 : 19;
	if (century < 0)
		return false;
	tm.tm_year = century * 100 + two(p) - 1900;
	tm.tm_mon = two(p + 2) - 1;
	tm.tm_mday = two(p + 4);
	tm.tm_hour = two(p + 6);
	tm.tm_min = two(p + 8);
	tm.tm_sec = two(p + 10);
	*ret = (int64_t)timegm(&tm);
	return true;
}

static bool end_of(struct der d, int64_t *ret)
{
	enum { INTEGER = 0x02, UTC_TIME = 0x17, GENERAL_TIME = 0x18, SEQUENCE = 0x30, VERSION = 0xa0 };
	struct der tbs, validity, x;

	if (!der_take(&d, SEQUENCE, &x) || !der_take(&x, SEQUENCE, &tbs))
		return false;
	(void)der_take(&tbs, VERSION, &x);
	if (!der_take(&tbs, INTEGER, &x) || !der_take(&tbs, SEQUENCE, &x) || !der_take(&tbs, SEQUENCE, &x) ||
	    !der_take(&tbs, SEQUENCE, &validity))
		return false;
	if (!der_take(&validity, UTC_TIME, &x) && !der_take(&validity, GENERAL_TIME, &x))
		return false;
	if (der_take(&validity, UTC_TIME, &x))
		return read_time(&x, false, ret);
	return der_take(&validity, GENERAL_TIME, &x) && read_time(&x, true, ret);
}

static int value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Decodes until the next dash; what is no digit is passed over. */
static size_t decode(const char *from, const char *to, unsigned char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (; from < to && *from != '-' && n < DER_MAX; from++) {
		int v = value_of(*from);

		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (unsigned char)(bits >> have);
		}
	}
	return n;
}

bool cert_not_after(const struct api_pem *pem, int64_t *ret)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	const char *p = pem->data ? memmem(pem->data, pem->size, begin, strlen(begin)) : NULL;
	unsigned char *der;
	size_t n;
	bool ok;

	if (!p)
		return false;
	der = malloc(DER_MAX);
	if (!der)
		return false;
	n = decode(p + strlen(begin), pem->data + pem->size, der);
	ok = end_of((struct der){ der, der + n }, ret);
	free(der);
	return ok;
}
