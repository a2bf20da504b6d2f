/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `ss -lntu` text: one socket a line, columns apart by blanks. The first column, Netid, is there only where more
 * than one protocol was asked for.
 */
#include <errno.h>
#include <netinet/in.h>

#include <svcdoctor/source.h>

#define COLUMNS_MAX 7
#define BAD_LINES_MAX 20

struct column {
	const char *s;
	size_t len;
};

struct ss_reader {
	struct node_facts *f;
	const char *file;
	struct sd_notes *notes;
	uint32_t line;
	size_t taken, heads, bad;
};

static size_t split(const char *s, size_t len, struct column v[static COLUMNS_MAX])
{
	size_t n = 0, i = 0;

	while (n < COLUMNS_MAX) {
		while (i < len && (s[i] == ' ' || s[i] == '\t' || s[i] == '\r'))
			i++;
		if (i == len)
			break;
		v[n].s = s + i;
		while (i < len && s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
			i++;
		v[n].len = (size_t)(s + i - v[n].s);
		n++;
	}
	return n;
}

static bool is(const struct column *c, const char *what)
{
	return c->len == strlen(what) && memcmp(c->s, what, c->len) == 0;
}

static void bad_line(struct ss_reader *r)
{
	if (r->bad++ < BAD_LINES_MAX)
		sd_note_add(r->notes, true, "bad-line", r->file, r->line, 1, "ss -lntu", "'%s': a line is not of a socket that listens",
			    r->file);
}

/* "127.0.0.53%lo:53", "[::]:22", "*:10250", "0.0.0.0:80", "[fe80::1]%eth0:546". */
static bool parse_local(const struct column *c, struct node_socket *ret)
{
	const char *colon = memrchr(c->s, ':', c->len), *percent;
	size_t len = colon ? (size_t)(colon - c->s) : 0;
	const char *s = c->s;
	uint64_t port;

	if (!len || parse_uint(colon + 1, c->len - len - 1, UINT16_MAX, &port) < 0)
		return false;
	ret->port = (uint16_t)port;
	percent = memchr(s, '%', len);
	if (percent)
		len = (size_t)(percent - s);
	if (len > 1 && s[0] == '[') {
		s++;
		len--;
	}
	if (len && s[len - 1] == ']')
		len--;
	return (len == 1 && s[0] == '*') || ip_addr_parsen(s, len, &ret->addr) == 0;
}

/* users:(("kube-proxy",pid=1,fd=3)) -> kube-proxy; NULL where it is not shown. */
static int take_process(struct ss_reader *r, const struct column *c, struct node_socket *ret)
{
	static const char mark[] = "users:((\"";
	const char *from = c->len > sizeof(mark) && memcmp(c->s, mark, sizeof(mark) - 1) == 0 ? c->s + sizeof(mark) - 1 : NULL;
	const char *end = from ? memchr(from, '"', c->len - (sizeof(mark) - 1)) : NULL;

	if (!end)
		return 0;
	ret->process = arena_strndup(&r->f->arena, from, (size_t)(end - from));
	return ret->process ? 0 : -ENOMEM;
}

static int take_line(struct ss_reader *r, const char *s, size_t len)
{
	struct column v[COLUMNS_MAX] = { 0 };
	const size_t n = split(s, len, v);
	const bool tcp = n && is(&v[0], "tcp"), udp = n && is(&v[0], "udp"), netid = tcp || udp;
	const bool listens = n && (is(&v[netid], "LISTEN") || is(&v[netid], "UNCONN"));
	struct node_socket sock = { 0 };
	int e;

	if (n == 0)
		return 0;
	if (is(&v[0], "Netid") || is(&v[0], "State")) {
		r->heads++;
		return 0;
	}
	if (!netid && !is(&v[0], "LISTEN") && !is(&v[0], "UNCONN")) {
		if (n < 5) /* sockets of other kinds have as many columns */
			bad_line(r);
		return 0;
	}
	if (!listens || n < 4u + netid || !parse_local(&v[3 + netid], &sock)) {
		if (listens || n < 5)
			bad_line(r);
		return 0;
	}
	sock.proto = tcp || (!udp && is(&v[0], "LISTEN")) ? IPPROTO_TCP : IPPROTO_UDP;
	e = n > 5u + netid ? take_process(r, &v[5 + netid], &sock) : 0;
	r->taken++;
	return e < 0 ? e : array_push(&r->f->sockets, sock);
}

int read_ss(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct ss_reader r = { .f = f, .file = file, .notes = notes };

	for (size_t at = 0; at < size;) {
		const char *nl = memchr(data + at, '\n', size - at);
		const size_t len = nl ? (size_t)(nl - (data + at)) : size - at;
		int e;

		r.line++;
		e = take_line(&r, data + at, len);
		if (e < 0)
			return e;
		at += len + 1;
	}
	if (r.taken == 0 && r.heads == 0) {
		sd_note_add(notes, true, "empty", file, 1, 0, "ss -lntu", "'%s' has no socket in it", file);
		return SD_EPARSE;
	}
	/* a list that is damaged does not tell who is missing */
	f->sockets_known = r.bad == 0;
	return 0;
}
