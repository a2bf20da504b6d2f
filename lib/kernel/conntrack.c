/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_conntrack: the table of connections as `conntrack -L -o extended` prints it (libnetfilter_conntrack, src/conntrack/snprintf_default.c).
 * Over ctnetlink where that is loaded, for asking would load it; otherwise from /proc/net/nf_conntrack, which says nearly the same, where the
 * kernel was built with it. Connections come and go while it is read: it is no picture of one moment, and is not meant as one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "nfnl-private.h"
#include "nft-dump-private.h" /* attributes */

#define TEXT_MAX (16u << 20) /* about 100,000 connections; beyond, those that nothing translates are left out */
#define TEXT_MOST (64u << 20)

/* ---- words ---- */

static void add_number(struct strbuf *b, const char *word, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do
		digits[--n] = (char)('0' + v % 10);
	while ((v /= 10));
	strbuf_adds(b, word);
	strbuf_add(b, digits + n, sizeof(digits) - n);
	strbuf_addc(b, ' ');
}

static void add_number32(struct strbuf *b, const char *word, struct nft_attr a)
{
	if (a.p && a.size >= 4)
		add_number(b, word, nft_u32(a, 0));
}

static void add_number64(struct strbuf *b, const char *word, struct nft_attr a)
{
	if (a.p && a.size >= 8)
		add_number(b, word, nft_u64(a, 0));
}

static void add_number16(struct strbuf *b, const char *word, struct nft_attr a)
{
	if (a.p && a.size >= 2)
		add_number(b, word, (uint64_t)a.p[0] << 8 | a.p[1]);
}

static void add_number8(struct strbuf *b, const char *word, struct nft_attr a)
{
	if (a.p && a.size >= 1)
		add_number(b, word, a.p[0]);
}

static void add_text(struct strbuf *b, const char *word, struct nft_attr a)
{
	const char *s = nft_str(a);

	if (!s)
		return;
	strbuf_adds(b, word);
	for (; *s; s++)
		strbuf_addc(b, (unsigned char)*s > ' ' && *s != 0x7f ? *s : '?');
	strbuf_addc(b, ' ');
}

static void add_addr(struct strbuf *b, const char *word, struct nft_attr v4, struct nft_attr v6)
{
	char text[INET6_ADDRSTRLEN];
	bool ip6 = !v4.p;

	if (ip6 ? v6.p && v6.size >= 16 && inet_ntop(AF_INET6, v6.p, text, sizeof(text)) :
		  v4.size >= 4 && inet_ntop(AF_INET, v4.p, text, sizeof(text))) {
		strbuf_adds(b, word);
		strbuf_adds(b, text);
		strbuf_addc(b, ' ');
	}
}

/* ---- parts of a connection ---- */

static const char *protocol_name(unsigned proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmpv6";
	case IPPROTO_DCCP:
		return "dccp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_GRE:
		return "gre";
	default:
		return "unknown";
	}
}

static void add_state(struct strbuf *b, struct nft_attr info)
{
	static const char *const tcp[] = { "NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE",
					   "SYN_SENT2" };
	static const char *const sctp[] = { "NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD",
					    "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED" };
	static const char *const dccp[] = { "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE", "INVALID" };
	static const struct {
		uint8_t attr, state;
		const char *const *names;
		size_t n;
	} kinds[] = {
		{ CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE, tcp, ARRAY_LEN(tcp) },
		{ CTA_PROTOINFO_SCTP, CTA_PROTOINFO_SCTP_STATE, sctp, ARRAY_LEN(sctp) },
		{ CTA_PROTOINFO_DCCP, CTA_PROTOINFO_DCCP_STATE, dccp, ARRAY_LEN(dccp) },
	};
	struct nft_attr of[CTA_PROTOINFO_SCTP + 1], in[8];

	if (!info.p || !nft_nested(info, of, ARRAY_LEN(of)))
		return;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!of[kinds[i].attr].p || !nft_nested(of[kinds[i].attr], in, ARRAY_LEN(in)) || in[kinds[i].state].size < 1)
			continue;
		strbuf_adds(b, *in[kinds[i].state].p < kinds[i].n ? kinds[i].names[*in[kinds[i].state].p] : "UNKNOWN");
		strbuf_addc(b, ' ');
	}
}

struct tuple {
	struct nft_attr ip[CTA_IP_V6_DST + 1], proto[CTA_PROTO_ICMPV6_CODE + 1], zone;
};

static bool take_tuple(struct nft_attr a, struct tuple *ret)
{
	struct nft_attr t[CTA_TUPLE_ZONE + 1];

	if (!a.p || !nft_nested(a, t, ARRAY_LEN(t)) || !nft_nested(t[CTA_TUPLE_IP], ret->ip, ARRAY_LEN(ret->ip)) ||
	    !nft_nested(t[CTA_TUPLE_PROTO], ret->proto, ARRAY_LEN(ret->proto)))
		return false;
	ret->zone = t[CTA_TUPLE_ZONE];
	return ret->proto[CTA_PROTO_NUM].p && ret->proto[CTA_PROTO_NUM].size >= 1;
}

static void add_tuple(struct strbuf *b, const struct tuple *t, const char *zone)
{
	const struct nft_attr *p = t->proto;
	bool gre = p[CTA_PROTO_NUM].p[0] == IPPROTO_GRE;

	add_addr(b, "src=", t->ip[CTA_IP_V4_SRC], t->ip[CTA_IP_V6_SRC]);
	add_addr(b, "dst=", t->ip[CTA_IP_V4_DST], t->ip[CTA_IP_V6_DST]);
	if (gre && p[CTA_PROTO_SRC_PORT].size >= 2 && p[CTA_PROTO_DST_PORT].size >= 2)
		strbuf_addf(b, "srckey=0x%x dstkey=0x%x ", (unsigned)p[CTA_PROTO_SRC_PORT].p[0] << 8 | p[CTA_PROTO_SRC_PORT].p[1],
			    (unsigned)p[CTA_PROTO_DST_PORT].p[0] << 8 | p[CTA_PROTO_DST_PORT].p[1]);
	if (!gre && proto_has_ports(p[CTA_PROTO_NUM].p[0])) {
		add_number16(b, "sport=", p[CTA_PROTO_SRC_PORT]);
		add_number16(b, "dport=", p[CTA_PROTO_DST_PORT]);
	}
	add_number8(b, "type=", p[p[CTA_PROTO_ICMP_TYPE].p ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE]);
	add_number8(b, "code=", p[p[CTA_PROTO_ICMP_CODE].p ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE]);
	add_number16(b, "id=", p[p[CTA_PROTO_ICMP_ID].p ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID]);
	add_number16(b, zone, t->zone);
}

static void add_counters(struct strbuf *b, struct nft_attr a)
{
	struct nft_attr c[CTA_COUNTERS_BYTES + 1];

	if (!a.p || !nft_nested(a, c, ARRAY_LEN(c)))
		return;
	add_number64(b, "packets=", c[CTA_COUNTERS_PACKETS]);
	add_number64(b, "bytes=", c[CTA_COUNTERS_BYTES]);
}

/* How long ago it began, where net.netfilter.nf_conntrack_timestamp is on. */
static void add_age(struct strbuf *b, struct nft_attr a)
{
	struct nft_attr t[CTA_TIMESTAMP_STOP + 1];
	uint64_t start, now = (uint64_t)time(NULL);

	if (!a.p || !nft_nested(a, t, ARRAY_LEN(t)) || !t[CTA_TIMESTAMP_START].p)
		return;
	start = nft_u64(t[CTA_TIMESTAMP_START], 0) / 1000000000u;
	add_number(b, "delta-time=", now > start ? now - start : 0);
}

static void add_name_in(struct strbuf *b, const char *word, struct nft_attr nest)
{
	struct nft_attr in[2]; /* CTA_SECCTX_NAME and CTA_HELP_NAME are 1 */

	if (nest.p && nft_nested(nest, in, ARRAY_LEN(in)))
		add_text(b, word, in[1]);
}

/* ---- ctnetlink ---- */

struct listing {
	struct strbuf *text;
	size_t damaged, left;
};

static bool same(struct nft_attr a, struct nft_attr b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.p, b.p, a.size) == 0);
}

/* Nothing translates it, and it ends by itself when its ends do: of no use to anybody when there are too many. */
static bool is_dull(const struct tuple *orig, const struct tuple *reply)
{
	const uint8_t proto = orig->proto[CTA_PROTO_NUM].p[0];

	return proto != IPPROTO_UDP && proto != IPPROTO_SCTP && same(orig->ip[CTA_IP_V4_DST], reply->ip[CTA_IP_V4_SRC]) &&
	       same(orig->ip[CTA_IP_V6_DST], reply->ip[CTA_IP_V6_SRC]) && same(orig->ip[CTA_IP_V4_SRC], reply->ip[CTA_IP_V4_DST]) &&
	       same(orig->ip[CTA_IP_V6_SRC], reply->ip[CTA_IP_V6_DST]);
}

static void add_entry(struct strbuf *b, uint8_t family, const struct nft_attr *c, const struct tuple *orig, const struct tuple *reply)
{
	const unsigned proto = orig->proto[CTA_PROTO_NUM].p[0];
	const uint32_t status = nft_u32(c[CTA_STATUS], IPS_SEEN_REPLY);

	strbuf_addf(b, "%-8s %u ", family == AF_INET ? "ipv4" : family == AF_INET6 ? "ipv6" : "unknown", family);
	strbuf_addf(b, "%-8s %u ", protocol_name(proto), proto);
	add_number32(b, "", c[CTA_TIMEOUT]);
	add_state(b, c[CTA_PROTOINFO]);
	add_tuple(b, orig, "zone-orig=");
	add_counters(b, c[CTA_COUNTERS_ORIG]);
	if (!(status & IPS_SEEN_REPLY))
		strbuf_adds(b, "[UNREPLIED] ");
	add_tuple(b, reply, "zone-reply=");
	add_counters(b, c[CTA_COUNTERS_REPLY]);
	strbuf_adds(b, status & IPS_HW_OFFLOAD ? "[HW_OFFLOAD] " : status & IPS_OFFLOAD ? "[OFFLOAD] " : status & IPS_ASSURED ? "[ASSURED] " : "");
	add_number32(b, "mark=", c[CTA_MARK]);
	add_name_in(b, "secctx=", c[CTA_SECCTX]);
	add_number16(b, "zone=", c[CTA_ZONE]);
	add_age(b, c[CTA_TIMESTAMP]);
	add_name_in(b, "helper=", c[CTA_HELP]);
	add_number32(b, "use=", c[CTA_USE]);
}

static int take_entry(void *arg, const struct nlmsghdr *h)
{
	struct listing *l = arg;
	struct nft_attr c[CTA_SYNPROXY + 1];
	struct tuple orig, reply;
	uint8_t family;

	if (!nft_message(h, &family, c, ARRAY_LEN(c)) || !take_tuple(c[CTA_TUPLE_ORIG], &orig) || !take_tuple(c[CTA_TUPLE_REPLY], &reply)) {
		l->damaged++;
		return 0;
	}
	if (l->text->len > TEXT_MAX - 1024 && is_dull(&orig, &reply)) {
		l->left++;
		return 0;
	}
	if (l->text->len > TEXT_MOST - 1024)
		return -EFBIG;
	add_entry(l->text, family, c, &orig, &reply);
	if (l->text->len && l->text->s[l->text->len - 1] == ' ')
		l->text->s[l->text->len - 1] = '\n';
	return l->text->failed ? -ENOMEM : 0;
}

static int end_listing(struct kernel_text *ret, int r, size_t damaged, size_t left)
{
	ret->partial = r == -EFBIG || (r == 0 && (damaged || left));
	if (r == -EFBIG)
		return kernel_text_end(ret, KERNEL_READ, "there are more connections than fit into %zu MiB: the rest is left out", (ret->text.len + (1u << 19)) >> 20);
	if (r == 0 && left)
		return kernel_text_end(ret, KERNEL_READ, "there are very many connections: %zu that nothing translates are left out", left);
	if (r == 0 && damaged)
		return kernel_text_end(ret, KERNEL_READ, "%zu connections cannot be read", damaged);
	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_NET_ADMIN", "reading connections");
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}

static int list_by_netlink(struct kernel_text *ret)
{
	CLEANUP(nfnl_close) struct nfnl n = { 0 };
	struct listing l = { .text = &ret->text };
	_Alignas(8) char buffer[NFNL_REQUEST_MAX] = { 0 };
	int r = nfnl_open(&n);

	if (r == 0)
		r = nfnl_ask(&n, nfnl_request(buffer, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC), take_entry, &l);
	return end_listing(ret, n.changed ? 0 : r, l.damaged, l.left);
}

/* ---- /proc/net/nf_conntrack ---- */

static bool begins(const char *s, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(s, with, strlen(with)) == 0;
}

/* "use=2" as it is without the one who reads. */
static void add_use(struct strbuf *b, const char *s, size_t len)
{
	uint64_t n = 0;

	if (parse_uint(s + 4, len - 4, UINT32_MAX, &n) == 0 && n > 1)
		strbuf_addf(b, " use=%u", (unsigned)n - 1);
	else
		strbuf_add(b, s - 1, len + 1);
}

/* "src=fd00:0000:0000:0000:0000:0000:0000:0001" */
static void add_long_addr(struct strbuf *b, const char *s, size_t len)
{
	struct ip_addr a;
	char text[IP_ADDR_STRLEN];

	if (ip_addr_parsen(s + 4, len - 4, &a) < 0) {
		strbuf_add(b, s - 1, len + 1);
		return;
	}
	strbuf_add(b, s - 1, 5);
	strbuf_adds(b, ip_addr_format(&a, text));
}

static bool is_left_out(const char *s, size_t len)
{
	return (len == 6 && begins(s, len, "zone=0")) || begins(s, len, "timeout=") || begins(s, len, "stream_timeout=");
}

/* Word for word, with the blanks before each; without "zone=0", and what GRE says of its timeouts there. */
static void add_proc_line(struct strbuf *b, const char *s, const char *end)
{
	for (const char *blank = s; s < end; blank = s) {
		const char *word;
		size_t len;

		while (s < end && *s == ' ')
			s++;
		for (word = s; s < end && *s != ' ';)
			s++;
		len = (size_t)(s - word);
		if (word > blank && begins(word, len, "use="))
			add_use(b, word, len);
		else if (word > blank && len == 43 && (begins(word, len, "src=") || begins(word, len, "dst=")))
			add_long_addr(b, word, len);
		else if (len && !is_left_out(word, len))
			strbuf_add(b, blank, (size_t)(s - blank));
	}
	strbuf_addc(b, '\n');
}

/* The value of the @nth word that begins with @key; "" where there is none. */
static size_t value_of(const char *line, const char *end, const char *key, unsigned nth, const char **ret)
{
	for (const char *p = line; (p = memmem(p, (size_t)(end - p), key, strlen(key)));) {
		const char *from = p += strlen(key);

		while (p < end && *p != ' ')
			p++;
		*ret = from;
		if (nth-- == 0)
			return (size_t)(p - from);
	}
	return 0;
}

static bool same_value(const char *line, const char *end, const char *first, const char *second)
{
	const char *a = "", *b = "";
	const size_t x = value_of(line, end, first, 0, &a), y = value_of(line, end, second, 1, &b);

	return x == y && memcmp(a, b, x) == 0;
}

/* As is_dull(). */
static bool is_dull_line(const char *line, const char *end)
{
	return !memmem(line, (size_t)(end - line), " udp ", 5) && !memmem(line, (size_t)(end - line), " sctp ", 6) &&
	       same_value(line, end, " src=", " dst=") && same_value(line, end, " dst=", " src=");
}

static int take_proc_line(struct listing *l, const char *line, const char *end)
{
	struct strbuf *b = l->text;
	const size_t before = b->len;

	if (before > TEXT_MOST - 1024)
		return -EFBIG;
	add_proc_line(b, line, end);
	if (b->failed)
		return -ENOMEM;
	if (before > TEXT_MAX - 1024 && is_dull_line(b->s + before, b->s + b->len - 1)) {
		l->left++;
		b->len = before;
		b->s[before] = '\0';
	}
	return 0;
}

/* A piece at a time: all of it may be hundreds of MiB. */
static int read_proc(int fd, struct listing *l)
{
	char piece[65536];
	size_t held = 0;

	for (;;) {
		const ssize_t n = read(fd, piece + held, sizeof(piece) - held);
		const char *p = piece, *nl;
		int r = 0;

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return n < 0 ? -errno : 0;
		held += n > 0 ? (size_t)n : 0;
		for (; r == 0 && (nl = memchr(p, '\n', held - (size_t)(p - piece))); p = nl + 1)
			r = take_proc_line(l, p, nl);
		if (r < 0)
			return r;
		held -= (size_t)(p - piece);
		memmove(piece, p, held);
		if (held == sizeof(piece)) { /* no such line is known */
			l->damaged++;
			held = 0;
		}
	}
}

static int list_by_proc(struct kernel_text *ret)
{
	struct listing l = { .text = &ret->text };
	CLEANUP(fd_close) int fd = open("/proc/thread-self/net/nf_conntrack", O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;

	if (r == -ENOENT)
		return r;
	if (r == -EACCES || r == -EPERM) {
		(void)kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "reading connections");
		return 0;
	}
	r = r < 0 ? r : read_proc(fd, &l);
	return r < 0 && r != -EFBIG ? r : end_listing(ret, r, l.damaged, l.left);
}

int kernel_conntrack(struct kernel_text *ret)
{
	int r;

	if (kernel_module_is_here("nf_conntrack_netlink"))
		return list_by_netlink(ret);
	r = list_by_proc(ret);
	if (r != -ENOENT)
		return r < 0 ? kernel_text_errno(ret, r, "CAP_NET_ADMIN", "reading connections") : r;
	if (kernel_module_is_here("nf_conntrack"))
		return kernel_text_end(ret, KERNEL_FAILED, "connections cannot be read without loading nf_conntrack_netlink");
	return kernel_text_end(ret, KERNEL_ABSENT, "nf_conntrack is not loaded");
}
