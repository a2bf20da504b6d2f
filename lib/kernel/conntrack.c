/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_conntrack: the table of connections as `conntrack -L -o extended` prints it (libnetfilter_conntrack, src/conntrack/snprintf_default.c).
 * Over ctnetlink where that is loaded, for asking would load it; otherwise from /proc/net/nf_conntrack, which says nearly the same, where the
 * kernel was built with it. Connections come and go while it is read: it is no picture of one moment, and is not meant as one.
 */
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <time.h>

#include "nfnl-private.h"
#include "nft-dump-private.h" /* attributes */

#define TEXT_MAX (16u << 20) /* about 100,000 connections */

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
	size_t damaged;
};

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
	if (l->text->len > TEXT_MAX - 1024)
		return -EFBIG;
	add_entry(l->text, family, c, &orig, &reply);
	if (l->text->len && l->text->s[l->text->len - 1] == ' ')
		l->text->s[l->text->len - 1] = '\n';
	return l->text->failed ? -ENOMEM : 0;
}

static int end_listing(struct kernel_text *ret, int r, size_t damaged)
{
	ret->partial = r == -EFBIG || damaged;
	if (r == -EFBIG)
		return kernel_text_end(ret, KERNEL_READ, "there are more connections than fit into %u MiB: the rest is left out", TEXT_MAX >> 20);
	if (damaged)
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
	return end_listing(ret, n.changed ? 0 : r, l.damaged);
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

static int list_by_proc(struct kernel_text *ret)
{
	CLEANUP(strbuf_release) struct strbuf all = STRBUF_INIT;
	int r = kernel_proc_read("net/nf_conntrack", &all);
	const char *p = strbuf_str(&all), *end = p + all.len, *nl;

	if (r == -ENOENT)
		return r;
	if (r == -EACCES || r == -EPERM) {
		(void)kernel_text_errno(ret, r, "CAP_DAC_READ_SEARCH", "reading connections");
		return 0;
	}
	if (r < 0 && r != -EFBIG)
		return r;
	for (r = 0; r == 0 && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		add_proc_line(&ret->text, p, nl);
		r = ret->text.len > TEXT_MAX ? -EFBIG : 0;
	}
	return end_listing(ret, r, 0);
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
