/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of nf_tables as nft's JSON has them: by the words of its tables where there is one, else as numbers. */
#include <netdb.h>
#include <net/if.h>
#include <time.h>

#include "nft-json-private.h"

struct word {
	uint32_t value;
	const char *name;
};

static const struct word nfprotos[] = { { 2, "ipv4" }, { 10, "ipv6" } };
static const struct word ethertypes[] = { { 0x0800, "ip" }, { 0x0806, "arp" }, { 0x86dd, "ip6" }, { 0x8100, "8021q" }, { 0x88a8, "8021ad" } };
static const struct word arpops[] = {
	{ 1, "request" }, { 2, "reply" }, { 3, "rrequest" }, { 4, "rreply" }, { 8, "inrequest" }, { 9, "inreply" }, { 10, "nak" },
};
static const struct word icmp_types[] = {
	{ 0, "echo-reply" }, { 3, "destination-unreachable" }, { 4, "source-quench" }, { 5, "redirect" }, { 8, "echo-request" },
	{ 9, "router-advertisement" }, { 10, "router-solicitation" }, { 11, "time-exceeded" }, { 12, "parameter-problem" },
	{ 13, "timestamp-request" }, { 14, "timestamp-reply" }, { 15, "info-request" }, { 16, "info-reply" }, { 17, "address-mask-request" },
	{ 18, "address-mask-reply" },
};
static const struct word icmp6_types[] = {
	{ 1, "destination-unreachable" }, { 2, "packet-too-big" }, { 3, "time-exceeded" }, { 4, "parameter-problem" }, { 128, "echo-request" },
	{ 129, "echo-reply" }, { 130, "mld-listener-query" }, { 131, "mld-listener-report" }, { 132, "mld-listener-done" },
	{ 133, "nd-router-solicit" }, { 134, "nd-router-advert" }, { 135, "nd-neighbor-solicit" }, { 136, "nd-neighbor-advert" },
	{ 137, "nd-redirect" }, { 138, "router-renumbering" }, { 141, "ind-neighbor-solicit" }, { 142, "ind-neighbor-advert" },
	{ 143, "mld2-listener-report" },
};
static const struct word icmp_codes[] = {
	{ 0, "net-unreachable" }, { 1, "host-unreachable" }, { 2, "prot-unreachable" }, { 3, "port-unreachable" }, { 9, "net-prohibited" },
	{ 10, "host-prohibited" }, { 13, "admin-prohibited" }, { 4, "frag-needed" },
};
static const struct word icmp6_codes[] = {
	{ 0, "no-route" }, { 1, "admin-prohibited" }, { 3, "addr-unreachable" }, { 4, "port-unreachable" }, { 5, "policy-fail" },
	{ 6, "reject-route" },
};
static const struct word icmpx_codes[] = {
	{ 1, "port-unreachable" }, { 3, "admin-prohibited" }, { 0, "no-route" }, { 2, "host-unreachable" },
};
static const struct word igmp_types[] = {
	{ 0x11, "membership-query" }, { 0x12, "membership-report-v1" }, { 0x16, "membership-report-v2" }, { 0x22, "membership-report-v3" },
	{ 0x17, "leave-group" },
};
static const struct word tcp_flags[] = {
	{ 1, "fin" }, { 2, "syn" }, { 4, "rst" }, { 8, "psh" }, { 16, "ack" }, { 32, "urg" }, { 64, "ecn" }, { 128, "cwr" },
};
static const struct word dccp_types[] = {
	{ 0, "request" }, { 1, "response" }, { 2, "data" }, { 3, "ack" }, { 4, "dataack" }, { 5, "closereq" }, { 6, "close" }, { 7, "reset" },
	{ 8, "sync" }, { 9, "syncack" },
};
static const struct word ct_states[] = { { 1, "invalid" }, { 2, "established" }, { 4, "related" }, { 8, "new" }, { 64, "untracked" } };
static const struct word ct_dirs[] = { { 0, "original" }, { 1, "reply" } };
static const struct word ct_statuses[] = {
	{ 1, "expected" }, { 2, "seen-reply" }, { 4, "assured" }, { 8, "confirmed" }, { 16, "snat" }, { 32, "dnat" }, { 512, "dying" },
};
static const struct word ct_events[] = {
	{ 1, "new" }, { 2, "related" }, { 4, "destroy" }, { 8, "reply" }, { 16, "assured" }, { 32, "protoinfo" }, { 64, "helper" },
	{ 128, "mark" }, { 256, "seqadj" }, { 512, "secmark" }, { 1024, "label" },
};
static const struct word pkttypes[] = { { 0, "host" }, { 1, "broadcast" }, { 2, "multicast" }, { 3, "other" } };
static const struct word fib_types[] = {
	{ 0, "unspec" }, { 1, "unicast" }, { 2, "local" }, { 3, "broadcast" }, { 4, "anycast" }, { 5, "multicast" }, { 6, "blackhole" },
	{ 7, "unreachable" }, { 8, "prohibit" },
};
static const struct word dscps[] = {
	{ 0x00, "cs0" }, { 0x08, "cs1" }, { 0x10, "cs2" }, { 0x18, "cs3" }, { 0x20, "cs4" }, { 0x28, "cs5" }, { 0x30, "cs6" }, { 0x38, "cs7" },
	{ 0x01, "lephb" }, { 0x0a, "af11" }, { 0x0c, "af12" }, { 0x0e, "af13" }, { 0x12, "af21" }, { 0x14, "af22" }, { 0x16, "af23" },
	{ 0x1a, "af31" }, { 0x1c, "af32" }, { 0x1e, "af33" }, { 0x22, "af41" }, { 0x24, "af42" }, { 0x26, "af43" }, { 0x2c, "va" },
	{ 0x2e, "ef" },
};
static const struct word ecns[] = { { 0, "not-ect" }, { 1, "ect1" }, { 2, "ect0" }, { 3, "ce" } };
static const struct word arphrds[] = { { 1, "ether" }, { 512, "ppp" }, { 768, "ipip" }, { 769, "ipip6" }, { 772, "loopback" }, { 776, "sit" }, { 778, "ipgre" } };
static const struct word days[] = {
	{ 0, "Sunday" }, { 1, "Monday" }, { 2, "Tuesday" }, { 3, "Wednesday" }, { 4, "Thursday" }, { 5, "Friday" }, { 6, "Saturday" },
};

#define WORDS(a) (a), ARRAY_LEN(a)
static const struct {
	const char *name;
	uint8_t size; /* bytes; 0: any */
	bool host, flags;
	const struct word *words;
	size_t nwords;
} types[DT_COUNT] = {
	[DT_NONE] = { "invalid", 0, false, false, NULL, 0 },
	[DT_VERDICT] = { "verdict", 0, false, false, NULL, 0 },
	[DT_NFPROTO] = { "nf_proto", 1, true, false, WORDS(nfprotos) },
	[DT_BITMASK] = { "bitmask", 0, false, true, NULL, 0 },
	[DT_INTEGER] = { "integer", 0, false, false, NULL, 0 },
	[DT_STRING] = { "string", 0, false, false, NULL, 0 },
	[DT_LLADDR] = { "ll_addr", 0, false, false, NULL, 0 },
	[DT_IPADDR] = { "ipv4_addr", 4, false, false, NULL, 0 },
	[DT_IP6ADDR] = { "ipv6_addr", 16, false, false, NULL, 0 },
	[DT_ETHERADDR] = { "ether_addr", 6, false, false, NULL, 0 },
	[DT_ETHERTYPE] = { "ether_type", 2, false, false, WORDS(ethertypes) },
	[DT_ARPOP] = { "arp_op", 2, false, false, WORDS(arpops) },
	[DT_INET_PROTOCOL] = { "inet_proto", 1, false, false, NULL, 0 },
	[DT_INET_SERVICE] = { "inet_service", 2, false, false, NULL, 0 },
	[DT_ICMP_TYPE] = { "icmp_type", 1, false, false, WORDS(icmp_types) },
	[DT_TCP_FLAG] = { "tcp_flag", 1, false, true, WORDS(tcp_flags) },
	[DT_DCCP_PKTTYPE] = { "dccp_pkttype", 1, false, false, WORDS(dccp_types) },
	[DT_MH_TYPE] = { "mh_type", 1, false, false, NULL, 0 },
	[DT_TIME] = { "time", 8, true, false, NULL, 0 },
	[DT_MARK] = { "mark", 4, true, false, NULL, 0 },
	[DT_IFINDEX] = { "iface_index", 4, true, false, NULL, 0 },
	[DT_ARPHRD] = { "iface_type", 2, true, false, WORDS(arphrds) },
	[DT_REALM] = { "realm", 4, true, false, NULL, 0 },
	[DT_CLASSID] = { "classid", 4, true, false, NULL, 0 },
	[DT_UID] = { "uid", 4, true, false, NULL, 0 },
	[DT_GID] = { "gid", 4, true, false, NULL, 0 },
	[DT_CT_STATE] = { "ct_state", 4, true, true, WORDS(ct_states) },
	[DT_CT_DIR] = { "ct_dir", 1, false, false, WORDS(ct_dirs) },
	[DT_CT_STATUS] = { "ct_status", 4, true, true, WORDS(ct_statuses) },
	[DT_ICMP6_TYPE] = { "icmpv6_type", 1, false, false, WORDS(icmp6_types) },
	[DT_CT_LABEL] = { "ct_label", 16, true, true, NULL, 0 },
	[DT_PKTTYPE] = { "pkt_type", 1, true, false, WORDS(pkttypes) },
	[DT_ICMP_CODE] = { "icmp_code", 1, false, false, WORDS(icmp_codes) },
	[DT_ICMPV6_CODE] = { "icmpv6_code", 1, false, false, WORDS(icmp6_codes) },
	[DT_ICMPX_CODE] = { "icmpx_code", 1, false, false, WORDS(icmpx_codes) },
	[DT_DEVGROUP] = { "devgroup", 4, true, false, NULL, 0 },
	[DT_DSCP] = { "dscp", 1, false, false, WORDS(dscps) },
	[DT_ECN] = { "ecn", 1, false, false, WORDS(ecns) },
	[DT_FIB_ADDR] = { "fib_addrtype", 4, true, false, WORDS(fib_types) },
	[DT_BOOLEAN] = { "boolean", 1, false, false, NULL, 0 },
	[DT_CT_EVENT] = { "ct_event", 4, true, true, WORDS(ct_events) },
	[DT_IFNAME] = { "ifname", 16, true, false, NULL, 0 },
	[DT_IGMP_TYPE] = { "igmp_type", 1, false, false, WORDS(igmp_types) },
	[DT_TIME_DATE] = { "time", 8, true, false, NULL, 0 },
	[DT_TIME_HOUR] = { "hour", 4, true, false, NULL, 0 },
	[DT_TIME_DAY] = { "day", 1, true, false, WORDS(days) },
	[DT_CGROUPV2] = { "cgroupsv2", 8, true, false, NULL, 0 },
};

const char *nft_dt_name(unsigned dt)
{
	return dt < DT_COUNT ? types[dt].name : "invalid";
}

size_t nft_dt_size(unsigned dt)
{
	return dt < DT_COUNT ? types[dt].size : 0;
}

bool nft_dt_is_host(unsigned dt)
{
	return dt < DT_COUNT && types[dt].host && dt != DT_IFNAME;
}

bool nft_dt_is_flags(unsigned dt)
{
	return dt < DT_COUNT && types[dt].flags;
}

const char *nft_family_name(uint8_t family)
{
	static const char *const names[] = { [1] = "inet", [2] = "ip", [3] = "arp", [5] = "netdev", [7] = "bridge", [10] = "ip6" };

	return family < ARRAY_LEN(names) && names[family] ? names[family] : "unknown";
}

/* ---- strings and numbers ---- */

/* How many bytes of UTF-8 one character has there; 0: it is none (RFC 3629). */
static size_t utf8_size(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;

	if (n == 0 || n > len || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void nft_put_string(struct strbuf *b, const char *s, size_t len)
{
	size_t from = 0, n;

	strbuf_addc(b, '"');
	for (size_t i = 0; i < len; i += n) {
		uint8_t c = (uint8_t)s[i];

		n = c >= 0x80 ? utf8_size(s + i, len - i) : 1;
		if (n > 1 || (n == 1 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f))
			continue;
		strbuf_add(b, s + from, i - from);
		if (c == '"' || c == '\\')
			strbuf_addf(b, "\\%c", c);
		else if (n == 1)
			strbuf_addf(b, "\\u%04x", c);
		else
			strbuf_addc(b, '?');
		n = 1;
		from = i + 1;
	}
	strbuf_add(b, s + from, len - from);
	strbuf_addc(b, '"');
}

void nft_put_number(struct strbuf *b, uint64_t n)
{
	char text[24];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	strbuf_add(b, text + at, sizeof(text) - at);
}

uint64_t nft_number(const uint8_t *p, size_t size, bool host)
{
	uint64_t r = 0;
	const uint16_t probe = 1;
	bool little = host && *(const uint8_t *)&probe;

	for (size_t i = 0; i < MIN(size, 8u); i++)
		r = r << 8 | p[little ? MIN(size, 8u) - 1 - i : i];
	return r;
}

static bool is_zero(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* More than 64 bits: as text. */
static void put_long(struct strbuf *b, const uint8_t *p, size_t size)
{
	size_t i = 0;

	while (i + 1 < size && p[i] == 0)
		i++;
	ADD(b, "\"0x");
	if (size)
		strbuf_addf(b, "%x", p[i++]);
	for (; i < size; i++)
		strbuf_addf(b, "%02x", p[i]);
	strbuf_addc(b, '"');
}

static void put_integer(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size)
{
	uint8_t turned[KEY_BYTES];

	while (size > 8 && !t.host && p[0] == 0) {
		p++;
		size--;
	}
	if (size <= 8) {
		nft_put_number(b, nft_number(p, size, t.host));
		return;
	}
	for (size_t i = 0; t.host && i < size && size <= sizeof(turned); i++)
		turned[i] = p[size - 1 - i];
	put_long(b, t.host && size <= sizeof(turned) ? turned : p, size);
}

/* ---- by type ---- */

static const char *word_of(unsigned dt, uint64_t n)
{
	for (size_t i = 0; i < types[dt].nwords; i++)
		if (types[dt].words[i].value == n)
			return types[dt].words[i].name;
	return NULL;
}

static void put_word(struct strbuf *b, const char *s)
{
	nft_put_string(b, s, strlen(s));
}

static void put_proto(struct strbuf *b, uint64_t n)
{
	static const struct word common[] = { { 6, "tcp" }, { 17, "udp" }, { 132, "sctp" }, { 1, "icmp" }, { 58, "ipv6-icmp" } };
	struct protoent *e;

	for (size_t i = 0; i < ARRAY_LEN(common); i++) {
		if (common[i].value == n) {
			put_word(b, common[i].name);
			return;
		}
	}
	struct protoent found;
	char buffer[1024];

	if (n <= 255 && getprotobynumber_r((int)n, &found, buffer, sizeof(buffer), &e) == 0 && e)
		put_word(b, e->p_name);
	else
		nft_put_number(b, n);
}

static void put_ifindex(struct strbuf *b, uint64_t n)
{
	char name[IF_NAMESIZE];

	if (n <= UINT32_MAX && n && if_indextoname((unsigned)n, name))
		put_word(b, name);
	else
		strbuf_addf(b, "\"%llu\"", (unsigned long long)n);
}

/* An asterisk that belongs to the name is escaped, one that is left out of 16 bytes is none. */
static void put_name(struct strbuf *b, const uint8_t *p, size_t size)
{
	const uint8_t *end = memchr(p, 0, size);
	size_t len = end ? (size_t)(end - p) : size;
	char name[KEY_BYTES + 4];

	if (len > KEY_BYTES)
		len = KEY_BYTES;
	memcpy(name, p, len);
	if (len && name[len - 1] == '*') {
		name[len - 1] = '\\';
		name[len++] = '*';
	} else if (!end && size < 16) {
		name[len++] = '*';
	}
	nft_put_string(b, name, len);
}

static void put_classid(struct strbuf *b, uint32_t n)
{
	if (n == UINT32_MAX)
		put_word(b, "root");
	else if (n == 0)
		put_word(b, "none");
	else
		strbuf_addf(b, "\"%0x:%0x\"", n >> 16, n & 0xffff);
}

static long zone_offset(time_t at)
{
	struct tm tm;

	return localtime_r(&at, &tm) ? tm.tm_gmtoff : 0;
}

static void put_hour(struct strbuf *b, uint64_t n)
{
	uint64_t s = (n + 86400u + (uint64_t)zone_offset(time(NULL))) % 86400u;

	if (n > 86400u)
		nft_put_number(b, n);
	else if (s % 60)
		strbuf_addf(b, "\"%02u:%02u:%02u\"", (unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60));
	else
		strbuf_addf(b, "\"%02u:%02u\"", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
}

static void put_date(struct strbuf *b, uint64_t ns)
{
	time_t at = (time_t)(ns / 1000000000u);
	struct tm tm;
	char text[64];

	if (localtime_r(&at, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		put_word(b, text);
	else
		nft_put_number(b, ns);
}

static void put_ether(struct strbuf *b, const uint8_t *p, size_t size)
{
	strbuf_addc(b, '"');
	for (size_t i = 0; i < size; i++)
		strbuf_addf(b, i ? ":%02x" : "%02x", p[i]);
	strbuf_addc(b, '"');
}

static void put_address(struct strbuf *b, const uint8_t *p, size_t size)
{
	struct ip_addr a = { .family = size == 4 ? AF_INET : AF_INET6 };
	char text[IP_ADDR_STRLEN];

	memcpy(a.b, p, size);
	put_word(b, ip_addr_format(&a, text));
}

/* The numbers of the bits. */
static void put_labels(struct strbuf *b, const uint8_t *p, size_t size, bool list)
{
	unsigned n = 0, bits = 0;

	for (size_t i = 0; i < size; i++)
		bits += (unsigned)__builtin_popcount(p[i]);
	if (bits > 1)
		strbuf_adds(b, list ? "[" : "{\"|\": [");
	for (size_t i = 0; i < size * 8; i++) {
		if (!(p[i / 8] & 1u << i % 8))
			continue;
		strbuf_adds(b, n++ ? ", " : "");
		nft_put_number(b, i);
	}
	if (bits > 1)
		strbuf_adds(b, list ? "]" : "]}");
	if (bits == 0)
		strbuf_addc(b, '0');
}

void nft_put_flags(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size, bool list)
{
	uint64_t v = nft_number(p, size, t.host);
	bool several = v & (v - 1), first = true;

	if (t.dt == DT_CT_LABEL && size > 8) {
		put_labels(b, p, size, list);
		return;
	}
	if (v == 0) {
		strbuf_addc(b, '0');
		return;
	}
	if (several)
		strbuf_adds(b, list ? "[" : "{\"|\": [");
	for (unsigned i = 0; i < 64; i++) {
		const char *word;

		if (!(v >> i & 1))
			continue;
		word = word_of(t.dt, (uint64_t)1 << i);
		strbuf_adds(b, first ? "" : ", ");
		first = false;
		if (word)
			put_word(b, word);
		else
			nft_put_number(b, (uint64_t)1 << i);
	}
	if (several)
		strbuf_adds(b, list ? "]" : "]}");
}

void nft_put_value(struct strbuf *b, struct jtype t, const uint8_t *p, size_t size)
{
	uint64_t n = nft_number(p, size, t.host);
	const char *word;

	switch ((enum nft_dt)t.dt) {
	case DT_IPADDR:
	case DT_IP6ADDR:
		if (size == 4 || size == 16)
			put_address(b, p, size);
		else
			put_long(b, p, size);
		return;
	case DT_IFNAME:
	case DT_STRING:
		put_name(b, p, size);
		return;
	case DT_LLADDR:
	case DT_ETHERADDR:
		put_ether(b, p, size);
		return;
	case DT_INET_PROTOCOL:
		put_proto(b, n);
		return;
	case DT_IFINDEX:
		put_ifindex(b, n);
		return;
	case DT_REALM:
		strbuf_addf(b, "\"%u\"", (unsigned)n);
		return;
	case DT_CLASSID:
		put_classid(b, (uint32_t)n);
		return;
	case DT_TIME:
		nft_put_number(b, n / 1000);
		return;
	case DT_TIME_HOUR:
		put_hour(b, n);
		return;
	case DT_TIME_DATE:
		put_date(b, n);
		return;
	case DT_BOOLEAN:
		strbuf_adds(b, is_zero(p, size) ? "false" : "true");
		return;
	default:
		break;
	}
	if (t.dt < DT_COUNT && types[t.dt].flags && size <= 16) {
		nft_put_flags(b, t, p, size, false);
		return;
	}
	word = t.dt < DT_COUNT && size <= 8 ? word_of(t.dt, n) : NULL;
	if (word)
		put_word(b, word);
	else
		put_integer(b, t, p, size);
}

/* ---- ranges ---- */

/* How many leading bits the ends have in common, if they hold all of that prefix; -1: they do not. */
static int prefix_len(const uint8_t *lo, const uint8_t *hi, size_t size)
{
	int len = 0;

	while ((size_t)len < size * 8 && !((lo[len / 8] ^ hi[len / 8]) & 0x80 >> len % 8))
		len++;
	for (size_t i = (size_t)len; i < size * 8; i++)
		if ((lo[i / 8] & 0x80 >> i % 8) || !(hi[i / 8] & 0x80 >> i % 8))
			return -1;
	return len;
}

/* "eth*": everything that begins so. */
static void put_wildcard(struct strbuf *b, const uint8_t *p, size_t len)
{
	char name[KEY_BYTES + 1];

	memcpy(name, p, MIN(len, KEY_BYTES));
	name[MIN(len, KEY_BYTES)] = '*';
	nft_put_string(b, name, MIN(len, KEY_BYTES) + 1);
}

void nft_put_range(struct strbuf *b, struct jtype t, const uint8_t *lo, const uint8_t *hi, size_t size)
{
	int len = prefix_len(lo, hi, size);

	if (memcmp(lo, hi, size) == 0) {
		nft_put_value(b, t, lo, size);
	} else if ((t.dt == DT_IPADDR || t.dt == DT_IP6ADDR) && len >= 0) {
		ADD(b, "{\"prefix\": {\"addr\": ");
		nft_put_value(b, t, lo, size);
		strbuf_addf(b, ", \"len\": %d}}", len);
	} else if (t.dt == DT_IFNAME && len >= 0 && len % 8 == 0) {
		put_wildcard(b, lo, (size_t)len / 8);
	} else {
		ADD(b, "{\"range\": [");
		nft_put_value(b, t, lo, size);
		ADD(b, ", ");
		nft_put_value(b, t, hi, size);
		ADD(b, "]}");
	}
}
