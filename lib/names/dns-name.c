/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, types and codes of DNS as words, and how names compare (RFC 1034, 1035). */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <svcdoctor/names.h>

const char *dns_end_name(enum dns_end e)
{
	static const char *const names[DNS_ENDS] = { "not-asked",   "answered",	  "timed-out", "port-closed", "unreachable",
						     "prohibited", "cut-off", "garbage", "strangers", "failed" };

	return (unsigned)e < DNS_ENDS ? names[e] : "";
}

/* Length without a final dot, unless it is escaped. */
static size_t bare_len(const char *name)
{
	size_t len = strlen(name), slashes = 0;

	if (!len || name[len - 1] != '.')
		return len;
	while (slashes < len - 1 && name[len - 2 - slashes] == '\\')
		slashes++;
	return slashes % 2 ? len : len - 1;
}

bool dns_name_equal(const char *a, const char *b)
{
	size_t la = bare_len(a), lb = bare_len(b);

	return la == lb && strncasecmp(a, b, la) == 0;
}

bool dns_name_inside(const char *name, const char *zone)
{
	size_t ln = bare_len(name), lz = bare_len(zone);

	if (lz == 0)
		return true;
	if (ln < lz || strncasecmp(name + ln - lz, zone, lz) != 0)
		return false;
	return ln == lz || name[ln - lz - 1] == '.';
}

size_t dns_name_dots(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		n += *name == '.';
	return n;
}

static const struct {
	uint16_t type;
	const char *name;
} types[] = {
	{ DNS_A, "A" },	    { DNS_NS, "NS" },	      { DNS_CNAME, "CNAME" }, { DNS_SOA, "SOA" },   { DNS_PTR, "PTR" }, { DNS_HINFO, "HINFO" },
	{ DNS_MX, "MX" },   { DNS_TXT, "TXT" },	      { DNS_AAAA, "AAAA" },   { DNS_SRV, "SRV" },   { DNS_DNAME, "DNAME" },
	{ DNS_OPT, "OPT" }, { DNS_ANY, "ANY" },
};

const char *dns_type_name(uint16_t type, char buf[static DNS_TYPE_STRLEN])
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i].type == type)
			return types[i].name;
	}
	snprintf(buf, DNS_TYPE_STRLEN, "TYPE%u", type);
	return buf;
}

int dns_type_parse(const char *text)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcasecmp(types[i].name, text) == 0)
			return types[i].type;
	}
	if (strncasecmp(text, "TYPE", 4) != 0 || !text[4])
		return -EINVAL;
	for (text += 4; *text; text++) {
		if (*text < '0' || *text > '9' || (n = n * 10 + (unsigned)(*text - '0')) > UINT16_MAX)
			return -EINVAL;
	}
	return (int)n;
}

const char *dns_rcode_name(uint8_t rcode)
{
	static const char *const names[] = { "NOERROR", "FORMERR",  "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
					     "YXDOMAIN", "YXRRSET", "NXRRSET",	"NOTAUTH",  "NOTZONE" };

	return rcode < ARRAY_LEN(names) ? names[rcode] : "?";
}

const char *dns_reverse_name(const struct ip_addr *a, char buf[static DNS_REVERSE_STRLEN])
{
	const uint8_t *b = a->b;
	size_t n = 0;

	if (a->family == AF_INET) {
		snprintf(buf, DNS_REVERSE_STRLEN, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return buf;
	}
	for (size_t i = 16; i-- > 0;)
		n += (size_t)snprintf(buf + n, DNS_REVERSE_STRLEN - n, "%x.%x.", b[i] & 0xf, b[i] >> 4);
	snprintf(buf + n, DNS_REVERSE_STRLEN - n, "ip6.arpa");
	return buf;
}

const char *libc_name(enum libc l)
{
	return l == LIBC_MUSL ? "musl" : "glibc";
}

const char *libc_result_name(enum libc_result r)
{
	static const char *const names[] = { "resolved", "no-name", "no-data", "try-again", "failed", "no-question", "unknown" };

	return (unsigned)r < ARRAY_LEN(names) ? names[r] : "";
}

/* ---- chains ---- */

/* The name that @name is another one of, in these answers; NULL: it is the last. A DNAME renames what is below it. */
static const struct dns_record *alias_of(const struct dns_answer *a, const char *name)
{
	for (size_t i = 0; i < a->nanswers; i++) {
		const struct dns_record *r = &a->answers[i];

		if (r->type == DNS_CNAME && r->target && dns_name_equal(r->owner, name))
			return r;
	}
	return NULL;
}

const char *dns_chain_end(const struct dns_answer *a, const char *name, size_t *ret_len, bool *ret_loop)
{
	const struct dns_record *r;
	size_t len = 0;

	/* each record is used once at most, or the chain comes back to itself */
	while (a->q.type != DNS_CNAME && len <= a->nanswers && (r = alias_of(a, name))) {
		name = r->target;
		len++;
	}
	*ret_len = len;
	*ret_loop = len > a->nanswers;
	return name;
}

/* In front of the last "NS.svc." of a name; 0: it has none, or nothing is there. */
static size_t before_search(const char *name)
{
	size_t ret = 0;

	for (const char *label = name, *dot; (dot = strchr(label, '.')) != NULL; label = dot + 1)
		if (label > name && strncasecmp(dot, ".svc.", 5) == 0)
			ret = (size_t)(label - name) - 1;
	return ret;
}

bool dns_is_autopath(const struct dns_answer *a)
{
	const struct dns_record *r = a->q.name ? alias_of(a, a->q.name) : NULL;
	size_t base = r && r->type == DNS_CNAME ? before_search(a->q.name) : 0;

	return base && strncasecmp(r->target, a->q.name, base) == 0 && (!r->target[base] || r->target[base] == '.');
}

bool dns_is_nodata(const struct dns_answer *a)
{
	bool loop;
	size_t len;
	const char *last;

	if (a->end != DNS_ANSWERED || a->rcode != DNS_NOERROR || a->records_unknown)
		return false;
	last = dns_chain_end(a, a->q.name, &len, &loop);
	for (size_t i = 0; i < a->nanswers; i++) {
		if ((a->answers[i].type == a->q.type || a->q.type == DNS_ANY) && dns_name_equal(a->answers[i].owner, last))
			return false;
	}
	return !loop;
}
