/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `ss -lntu`, from /proc/net: to ask by netlink (sock_diag) may load a module. So it is what ss itself prints of these files, without backlog
 * and without the interface that a socket is bound to. They do not tell whether a socket of all IPv6 addresses takes IPv4, too ("*:80") or
 * not ("[::]:80"); where another one has that port on 0.0.0.0, it is not.
 */
#include <errno.h>
#include <netinet/in.h>

#include "kernel-private.h"

struct endpoint {
	struct ip_addr addr;
	uint16_t port;
};
struct socket_file {
	const char *path, *netid, *state_name;
	unsigned state;
	bool ip6;
};

static const char *skip(const char *s, const char *end, bool blanks)
{
	while (s < end && (*s == ' ') == blanks)
		s++;
	return s;
}

static bool parse_hex(const char *s, size_t len, uint32_t *ret)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t n = 0;

	if (len == 0 || len > 8)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char *d = memchr(digits, s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 'A' : s[i], sizeof(digits) - 1);

		if (!d)
			return false;
		n = n << 4 | (uint32_t)(d - digits);
	}
	*ret = n;
	return true;
}

/* "0100007F:0050": words of the address as numbers of this machine's byte order */
static bool parse_endpoint(const char *s, size_t len, bool ip6, struct endpoint *ret)
{
	const size_t words = ip6 ? 4 : 1;
	struct endpoint e = { .addr.family = ip6 ? AF_INET6 : AF_INET };
	uint32_t n;

	if (len < 8 * words + 2 || s[8 * words] != ':' || !parse_hex(s + 8 * words + 1, len - 8 * words - 1, &n) || n > UINT16_MAX)
		return false;
	e.port = (uint16_t)n;
	for (size_t i = 0; i < words; i++) {
		if (!parse_hex(s + 8 * i, 8, &n))
			return false;
		memcpy(e.addr.b + 4 * i, &n, 4);
	}
	*ret = e;
	return true;
}

/* The words of a line: "0:", local, remote, state, "tx:rx", ... */
static size_t split(const char *s, const char *end, const char **v, size_t *len, size_t max)
{
	size_t n = 0;

	while (n < max && (s = skip(s, end, true)) < end) {
		const char *to = skip(s, end, false);

		v[n] = s;
		len[n++] = (size_t)(to - s);
		s = to;
	}
	return n;
}

static void add_endpoint(struct strbuf *b, const struct endpoint *e, bool star, bool peer)
{
	char text[INET6_ADDRSTRLEN];

	strbuf_addc(b, ' ');
	if (star)
		strbuf_addc(b, '*');
	else
		strbuf_addf(b, e->addr.family == AF_INET6 ? "[%s]" : "%s", inet_ntop(e->addr.family, e->addr.b, text, sizeof(text)));
	if (peer && !e->port)
		strbuf_adds(b, ":*");
	else
		strbuf_addf(b, ":%u", e->port);
}

static bool is_mapped(const struct ip_addr *a)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, head, sizeof(head)) == 0;
}

/* Ports that are taken on 0.0.0.0, of one protocol. */
struct taken {
	uint8_t bits[65536 / 8];
};

static void add_socket(struct strbuf *b, const struct socket_file *f, const struct endpoint *local, const struct endpoint *peer, uint32_t rx,
		       uint32_t tx, struct taken *t)
{
	const bool any = ip_addr_is_zero(&local->addr), used = t->bits[local->port / 8] >> local->port % 8 & 1;
	/* a socket of one IPv6 address is of IPv6 alone: net/ipv6/af_inet6.c */
	const bool both = f->ip6 && ((any && !used) || is_mapped(&local->addr));

	if (!f->ip6 && any)
		t->bits[local->port / 8] |= (uint8_t)(1u << local->port % 8);
	strbuf_addf(b, "%-5s %-6s %-6u %-6u", f->netid, f->state_name, rx, tx);
	add_endpoint(b, local, any && both, false);
	add_endpoint(b, peer, ip_addr_is_zero(&peer->addr) && both, true);
	strbuf_addc(b, '\n');
}

/* False: this is no line of that file. */
static bool take_line(struct strbuf *b, const struct socket_file *f, const char *s, const char *end, struct taken *t)
{
	struct endpoint local, peer;
	uint32_t state, tx, rx;
	const char *v[5];
	size_t len[5];

	if (split(s, end, v, len, 5) < 5 || !parse_endpoint(v[1], len[1], f->ip6, &local) || !parse_endpoint(v[2], len[2], f->ip6, &peer) ||
	    !parse_hex(v[3], len[3], &state) || len[4] != 17 || !parse_hex(v[4], 8, &tx) || !parse_hex(v[4] + 9, 8, &rx))
		return false;
	if (state == f->state)
		add_socket(b, f, &local, &peer, rx, tx, t);
	return true;
}

static int take_file(struct kernel_text *t, const struct socket_file *f, struct taken *taken)
{
	CLEANUP(strbuf_release) struct strbuf text = STRBUF_INIT;
	const int r = kernel_proc_read(f->path, &text);
	const char *s = strbuf_str(&text), *end = s + text.len;

	/* without IPv6 there is no such file; who listens stands first in one that is too long */
	if (r < 0 && r != -EFBIG)
		return r == -ENOENT ? 0 : r;
	t->partial |= r == -EFBIG;
	for (bool head = true; s < end; head = false) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));

		if (!nl)
			nl = end;
		if (!head && skip(s, nl, true) < nl && !take_line(&t->text, f, s, nl, taken))
			t->partial = true;
		s = nl + 1;
	}
	return 0;
}

int kernel_sockets(struct kernel_text *ret)
{
	/* TCP_LISTEN and TCP_CLOSE of net/tcp_states.h; the latter is a UDP socket without a peer */
	static const struct socket_file files[] = {
		{ "net/udp", "udp", "UNCONN", 7, false },
		{ "net/udp6", "udp", "UNCONN", 7, true },
		{ "net/tcp", "tcp", "LISTEN", 10, false },
		{ "net/tcp6", "tcp", "LISTEN", 10, true },
	};
	struct taken taken;
	int r = 0;

	strbuf_adds(&ret->text, "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
		if (!files[i].ip6)
			memset(&taken, 0, sizeof(taken));
		r = take_file(ret, &files[i], &taken);
	}
	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "the list of sockets");
	return kernel_text_end(ret, KERNEL_READ, "%s", ret->partial ? "a list of /proc/net is too long, or has a line of no known form" : "");
}
