/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a try sends beside the connection itself, and what an answer means: a line of HTTP (RFC 9112), a header of DNS (RFC 1035). */
#include <string.h>

#include "probe-private.h"

enum { DNS_HEADER = 12, DNS_QR = 0x80, DNS_RCODE = 0x0f };

static void compose_http(struct flight *f)
{
	int n = snprintf(f->buf, sizeof(f->buf),
			 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: svcdoctor\r\nAccept: */*\r\nConnection: close\r\n\r\n", f->probe->path,
			 f->probe->host);
	f->size = n > 0 && (size_t)n < sizeof(f->buf) ? (size_t)n : 0;
}

/* A question that every server has some answer to, if only a refusal: the root's NS records. */
static void compose_dns(struct flight *f)
{
	static const unsigned char question[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0 /* root */, 0, 2 /* NS */, 0, 1 /* IN */ };
	memcpy(f->buf, question, sizeof(question));
	f->buf[0] = (char)(f->id >> 8);
	f->buf[1] = (char)(f->id & 0xff);
	f->size = sizeof(question);
}

void flight_compose(struct flight *f)
{
	f->size = f->sent = f->got = 0;
	if (f->probe->way == WAY_HTTP) {
		compose_http(f);
	} else if (f->probe->way == WAY_DNS) {
		compose_dns(f);
	}
}

static bool end(struct flight *f, enum snap_try_end how)
{
	f->out->end = how;
	return true;
}

/* "HTTP/1.1 200 OK": the status, or 0. */
static unsigned status_of(const char *line, size_t len)
{
	static const char name[] = "HTTP/";
	const char *space = memchr(line, ' ', len);
	uint64_t status;
	if (len < 12 || memcmp(line, name, sizeof(name) - 1) != 0 || !space || (size_t)(line + len - space) < 4 ||
	    parse_uint(space + 1, 3, 999, &status) < 0 || status < 100) {
		return 0;
	}
	return (unsigned)status;
}

static bool judge_http(struct flight *f, bool closed)
{
	const char *eol = memchr(f->buf, '\n', f->got);
	if (!eol && !closed && f->got < sizeof(f->buf)) {
		return false;
	}
	if (f->got == 0) {
		return end(f, TRY_ENDED);
	}
	f->out->status = status_of(f->buf, eol ? (size_t)(eol - f->buf) : f->got);
	return end(f, f->out->status ? TRY_ANSWERED : TRY_STRANGE);
}

static bool judge_dns(struct flight *f)
{
	const unsigned char *b = (const unsigned char *)f->buf;
	if (f->got < DNS_HEADER || !(b[2] & DNS_QR) || b[0] != f->id >> 8 || b[1] != (f->id & 0xff)) {
		return end(f, TRY_STRANGE);
	}
	f->out->status = b[3] & DNS_RCODE;
	return end(f, TRY_ANSWERED);
}

bool flight_judge(struct flight *f, bool closed)
{
	switch (f->probe->way) {
	case WAY_HTTP:
		return judge_http(f, closed);
	case WAY_DNS:
		return judge_dns(f);
	case WAY_TCP:
	case WAY_UDP:
		break;
	}
	return end(f, TRY_ANSWERED);
}
