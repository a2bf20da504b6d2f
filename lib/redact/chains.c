/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names that are made of other names. kube-proxy's chains are hashes of "ns/name:port" and the protocol, and of an endpoint; they are
 * computed anew from what these became. Which hash is whose is learned from Services and EndpointSlices and from the comments of rules; one that
 * nobody's is (of a Service that is gone) becomes another one that nobody's is. In nftables mode the name stands behind its hash.
 */

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>

#include "redact-private.h"

#define HASH_LEN 16
#define NFT_HASH_LEN 8
#define PART_MAX 256

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

/* A hash that is known while learning, and its parts, from which the new one follows. */
struct chain {
	const char *ns, *name, *port;
	uint8_t proto;
	bool endpoint;
	struct ip_addr addr;
	uint16_t number;
};

static const char *hash_of(const char *chain)
{
	return chain + strlen(chain) - HASH_LEN;
}

static void chain_name(const struct chain *c, char ret[static EXPECT_CHAIN_MAX])
{
	if (c->endpoint)
		expect_sep_name(c->ns, c->name, c->port, c->proto, &c->addr, c->number, ret);
	else
		expect_chain_name("KUBE-SVC-", c->ns, c->name, c->port, c->proto, ret);
}

static void learn(struct redact *r, const struct chain *c)
{
	char text[EXPECT_CHAIN_MAX];
	struct chain *copy;
	char *key;

	chain_name(c, text);
	if (map_get(&r->chains, hash_of(text), HASH_LEN))
		return;
	copy = arena_new(&r->arena, struct chain);
	key = arena_strdup(&r->arena, hash_of(text));
	if (copy) {
		*copy = *c;
		copy->ns = arena_strdup(&r->arena, c->ns);
		copy->name = arena_strdup(&r->arena, c->name);
		copy->port = arena_strdup(&r->arena, c->port ? c->port : "");
	}
	if (!copy || !key || !copy->ns || !copy->name || !copy->port || map_put(&r->chains, key, HASH_LEN, copy) < 0)
		r->failed = true;
}

void redact_learn_port(struct redact *r, const char *ns, const char *name, const char *port)
{
	for (size_t i = 0; r->learning && i < ARRAY_LEN(protocols); i++)
		learn(r, &(struct chain){ .ns = ns, .name = name, .port = port, .proto = protocols[i] });
}

void redact_learn_endpoint(struct redact *r, const char *ns, const char *name, const char *port, const struct ip_addr *a, uint16_t number)
{
	for (size_t i = 0; r->learning && i < ARRAY_LEN(protocols); i++)
		learn(r, &(struct chain){ ns, name, port, protocols[i], true, *a, number });
}

/* ---- what the objects say ---- */

static void learn_service(struct redact *r, const json_t *o)
{
	const json_t *meta = json_obj(o, "metadata"), *ports = json_arr(json_obj(o, "spec"), "ports"), *p;
	const char *ns = json_str(meta, "namespace"), *name = json_str(meta, "name");
	size_t i;

	json_array_foreach(ports, i, p) {
		if (ns && name)
			redact_learn_port(r, ns, name, json_str(p, "name"));
	}
}

static void learn_endpoints(struct redact *r, const char *ns, const char *service, const json_t *addresses, const json_t *ports)
{
	const json_t *a, *p;
	size_t i, k;

	json_array_foreach(addresses, i, a) {
		struct ip_addr ip;

		if (!json_is_string(a) || ip_addr_parse(json_string_value(a), &ip) < 0)
			continue;
		json_array_foreach(ports, k, p) {
			int64_t number;

			if (json_int(p, "port", &number) && number > 0 && number < 65536)
				redact_learn_endpoint(r, ns, service, json_str(p, "name"), &ip, (uint16_t)number);
		}
	}
}

static void learn_slice(struct redact *r, const json_t *o)
{
	const json_t *meta = json_obj(o, "metadata"), *e;
	const char *ns = json_str(meta, "namespace"), *service = json_str(json_obj(meta, "labels"), "kubernetes.io/service-name");
	size_t i;

	json_array_foreach(json_arr(o, "endpoints"), i, e) {
		if (ns && service)
			learn_endpoints(r, ns, service, json_arr(e, "addresses"), json_arr(o, "ports"));
	}
}

void redact_learn_object(struct redact *r, const json_t *o, int kind)
{
	if (kind == K8S_SERVICES)
		learn_service(r, o);
	else if (kind == K8S_SLICES)
		learn_slice(r, o);
}

/* ---- replacing ---- */

static bool is_hash(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!(isupper((unsigned char)s[i]) || (s[i] >= '2' && s[i] <= '7')))
			return false;
	}
	return true;
}

static void name_of(struct redact *r, const char *s, char *ret, size_t size)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	redact_adds_name(r, &b, s);
	snprintf(ret, size, "%s", strbuf_str(&b));
	r->failed |= b.failed;
}

static void add_hash(struct redact *r, struct strbuf *b, const char *s)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	const struct chain *c = map_get(&r->chains, s, HASH_LEN);
	char text[EXPECT_CHAIN_MAX], ns[PART_MAX], name[PART_MAX], port[PART_MAX];

	if (c) {
		struct chain new = *c;

		name_of(r, c->ns, ns, sizeof(ns));
		name_of(r, c->name, name, sizeof(name));
		name_of(r, c->port, port, sizeof(port));
		new.ns = ns;
		new.name = name;
		new.port = port;
		redact_addr(r, &c->addr, &new.addr);
		chain_name(&new, text);
		strbuf_adds(b, hash_of(text));
		return;
	}
	for (uint64_t i = 0; i < HASH_LEN; i++) {
		uint64_t seed[2] = { redact_prf(r, "chain", s, HASH_LEN), i };

		strbuf_addc(b, alphabet[redact_prf(r, "place", seed, sizeof(seed)) % 32]);
	}
}

/* "HASH-ns/name/tcp/port", for endpoints "HASH-ns/name/tcp/port__10.244.1.5/80". */
struct nft_parts {
	char ns[PART_MAX], name[PART_MAX], port[PART_MAX];
	uint8_t proto;
	bool endpoint;
	struct ip_addr addr;
	uint16_t number;
};

static bool next_part(const char **s, char end, char *ret)
{
	size_t len = end ? strcspn(*s, (char[]){ end, 0 }) : strlen(*s);

	if (len >= PART_MAX || (end && (*s)[len] != end))
		return false;
	memcpy(ret, *s, len);
	ret[len] = '\0';
	*s += len + (end != 0);
	return true;
}

static bool parse_endpoint(struct nft_parts *p)
{
	char *tail = strstr(p->port, "__"), *slash = tail ? strrchr(tail, '/') : NULL, *a;
	uint64_t number;
	size_t dots = 0;

	if (!tail)
		return true;
	if (!slash || parse_uint(slash + 1, strlen(slash + 1), 65535, &number) < 0)
		return false;
	*slash = '\0';
	a = tail + 2;
	for (char *c = a; *c; c++)
		dots += *c == '.';
	/* An IPv6 address has points for its colons there. */
	for (char *c = a; (dots != 3 || strpbrk(a, "abcdef") || strstr(a, "..")) && *c; c++)
		*c = *c == '.' ? ':' : *c;
	*tail = '\0';
	p->endpoint = true;
	p->number = (uint16_t)number;
	return ip_addr_parse(a, &p->addr) == 0;
}

static bool parse_nft(const char *s, struct nft_parts *p)
{
	char proto[PART_MAX];

	if (!next_part(&s, '/', p->ns) || !next_part(&s, '/', p->name) || !next_part(&s, '/', proto) || !next_part(&s, 0, p->port))
		return false;
	return proto_parse(proto, strlen(proto), &p->proto) == 0 && parse_endpoint(p);
}

/* @prefix: "service-", "endpoint-". */
static bool add_nft_name(struct redact *r, struct strbuf *b, const char *prefix, const char *rest)
{
	struct nft_parts p = { 0 };
	char ns[PART_MAX], name[PART_MAX], port[PART_MAX], text[EXPECT_NFT_NAME_MAX];
	struct ip_addr to;

	if (!is_hash(rest, NFT_HASH_LEN) || rest[NFT_HASH_LEN] != '-' || !parse_nft(rest + NFT_HASH_LEN + 1, &p))
		return false;
	name_of(r, p.ns, ns, sizeof(ns));
	name_of(r, p.name, name, sizeof(name));
	name_of(r, p.port, port, sizeof(port));
	if (p.endpoint) {
		redact_addr(r, &p.addr, &to);
		expect_nft_endpoint_name(prefix, ns, name, port, p.proto, &to, p.number, text);
	} else {
		expect_nft_name(prefix, ns, name, port, p.proto, text);
	}
	strbuf_adds(b, text);
	return true;
}

static const char *const nft_prefixes[] = { "service-", "endpoint-", "external-", "firewall-", "affinity-", "local-" };

static bool add_nft_chain(struct redact *r, struct strbuf *b, const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(nft_prefixes); i++) {
		if (str_starts(s, nft_prefixes[i]) && strlen(s) > strlen(nft_prefixes[i]) + NFT_HASH_LEN &&
		    add_nft_name(r, b, nft_prefixes[i], s + strlen(nft_prefixes[i])))
			return true;
	}
	return false;
}

bool redact_nft_endpoint(const char *s, struct ip_addr *ret_addr, uint16_t *ret_port)
{
	struct nft_parts p = { 0 };

	if (!str_starts(s, "endpoint-") || strlen(s) < 9 + NFT_HASH_LEN || s[9 + NFT_HASH_LEN] != '-' || !parse_nft(s + 10 + NFT_HASH_LEN, &p) || !p.endpoint)
		return false;
	*ret_addr = p.addr;
	*ret_port = p.number;
	return true;
}

/* Names that everybody's rules have: of tables, chains, sets, maps and objects. */
static bool is_fixed(const char *s)
{
	static const char *const fixed[] = {
		"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "ACCEPT", "DROP", "RETURN", "REJECT", "MARK", "MASQUERADE", "DNAT", "SNAT", "LOG",
		"QUEUE", "NOTRACK", "CT", "REDIRECT", "TCPMSS", "filter", "nat", "mangle", "raw", "security", "kube-proxy", "filter-prerouting",
		"filter-prerouting-pre-dnat", "filter-input", "filter-input-pre-dnat", "filter-forward", "filter-forward-pre-dnat", "filter-output",
		"filter-output-pre-dnat", "filter-output-post-dnat", "nat-prerouting", "nat-output", "nat-postrouting", "mark-for-masquerade",
		"masquerading", "services", "service-ips", "service-nodeports", "nodeport-ips", "no-endpoint-services", "no-endpoint-nodeports",
		"firewall", "firewall-ips", "firewall-check", "reject-chain", "endpoints-check", "service-endpoints-check", "nodeport-endpoints-check",
		"cluster-ips", "cluster-ips-check", "hairpin-connections", "log-invalid-drops", "ct_state_invalid_dropped_pkts",
		"localhost_nps_accepted_pkts", "DOCKER", "DOCKER-USER", "DOCKER-FORWARD", "DOCKER-INGRESS", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2",
		"FLANNEL-FWD", "FLANNEL-POSTRTG", "CNI-FORWARD", "CNI-ADMIN", "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK", "LIBVIRT_FWI",
		"LIBVIRT_FWO", "LIBVIRT_FWX", "LIBVIRT_INP", "LIBVIRT_OUT", "LIBVIRT_PRT", "cluster-cidrs", "node-ips", "IP-MASQ", "IP-MASQ-AGENT",
	};

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (strcmp(fixed[i], s) == 0)
			return true;
	}
	return false;
}

/* Names that begin so belong to programs that everybody knows; what follows may name anything. */
static size_t known_head(const char *s)
{
	static const char *const heads[] = { "ANTREA-", "CILIUM_", "OVN-KUBE-", "KUBE-ROUTER-", "KUBE-NWPLCY-", "KUBE-POD-FW-", "KUBE-DST-", "KUBE-SRC-",
					     "cali-", "cali40", "cali60", "felix-", "CNI-DN-", "CNI-SN-", "CNI-", "WEAVE-", "ufw-", "ufw6-", "f2b-" };

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		if (str_starts(s, heads[i]))
			return strlen(heads[i]);
	}
	return 0;
}

/* "KUBE-SVC-ABCDEFGHIJKLMNOP" */
static bool add_kube_chain(struct redact *r, struct strbuf *b, const char *s)
{
	static const char *const hashed[] = { "KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-" };

	for (size_t i = 0; i < ARRAY_LEN(hashed); i++) {
		size_t n = strlen(hashed[i]);

		if (str_starts(s, hashed[i]) && strlen(s) == n + HASH_LEN && is_hash(s + n, HASH_LEN)) {
			strbuf_add(b, s, n);
			add_hash(r, b, s + n);
			return true;
		}
	}
	return false;
}

static bool is_kube_word(const char *s)
{
	static const char *const words[] = {
		"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-MARK-DROP", "KUBE-FORWARD", "KUBE-FIREWALL", "KUBE-PROXY-FIREWALL",
		"KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-CANARY", "KUBE-KUBELET-CANARY", "KUBE-IPTABLES-HINT", "KUBE-LOAD-BALANCER", "KUBE-NODE-PORT",
		"KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER",
	};
	static const char *const sets[] = {
		"LOOP-BACK", "CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL", "LOAD-BALANCER", "LOAD-BALANCER-LOCAL", "LOAD-BALANCER-FW", "LOAD-BALANCER-SOURCE-CIDR",
		"LOAD-BALANCER-SOURCE-IP", "NODE-PORT-TCP", "NODE-PORT-LOCAL-TCP", "NODE-PORT-UDP", "NODE-PORT-LOCAL-UDP", "NODE-PORT-SCTP-HASH",
		"NODE-PORT-LOCAL-SCTP-HASH", "HEALTH-CHECK-NODE-PORT", "IPVS-IPS", "LOAD-BALANCER-SOURCE-", "NODE-PORT-LOCAL-SCTP-HAS", "EXTERNAL-IP-LOCA",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], s) == 0)
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		if ((str_starts(s, "KUBE-6-") && strcmp(s + 7, sets[i]) == 0) || (str_starts(s, "KUBE-") && strcmp(s + 5, sets[i]) == 0))
			return true;
	}
	return false;
}

void redact_add_chain(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	char *copy = strndup(s, len);
	size_t head;

	if (!copy) {
		r->failed = true;
		return;
	}
	len = strlen(copy); /* behind a NUL stands nothing */
	head = known_head(copy);
	if (is_fixed(copy) || is_kube_word(copy)) {
		strbuf_adds(b, copy);
	} else if (!add_kube_chain(r, b, copy) && !add_nft_chain(r, b, copy)) {
		strbuf_add(b, copy, head);
		if (head > 0)
			redact_add_opaque(r, b, copy + head, len - head);
		else
			redact_add_name(r, b, copy, len);
	}
	free(copy);
}

/* ---- comments ---- */

static size_t word_len(const char *s, size_t len, const char *stop)
{
	size_t n = 0;

	while (n < len && !strchr(stop, s[n]) && (islower((unsigned char)s[n]) || isdigit((unsigned char)s[n]) || s[n] == '-' || s[n] == '.'))
		n++;
	return n;
}

bool redact_add_port_name(struct redact *r, struct strbuf *b, const char *s, size_t len, size_t *ret_len)
{
	size_t ns = word_len(s, len, "/."), name, port = 0, at;
	char parts[3][PART_MAX] = { "", "", "" };

	if (ns == 0 || ns >= PART_MAX || ns >= len || s[ns] != '/' || isdigit((unsigned char)s[ns + 1 < len ? ns + 1 : ns]))
		return false;
	name = word_len(s + ns + 1, len - ns - 1, ".");
	if (name == 0 || name >= PART_MAX)
		return false;
	at = ns + 1 + name;
	if (at < len && s[at] == ':') {
		port = word_len(s + at + 1, len - at - 1, ".");
		at += 1 + port;
	}
	if (port >= PART_MAX)
		return false;
	memcpy(parts[0], s, ns);
	memcpy(parts[1], s + ns + 1, name);
	memcpy(parts[2], s + at - port, port);
	redact_learn_port(r, parts[0], parts[1], parts[2]);
	redact_learn_whole(r, parts[0], ns);
	redact_learn_whole(r, parts[1], name);
	redact_adds_name(r, b, parts[0]);
	strbuf_addc(b, '/');
	redact_adds_name(r, b, parts[1]);
	if (at > ns + 1 + name)
		strbuf_addc(b, ':');
	redact_adds_name(r, b, parts[2]);
	*ret_len = at;
	return true;
}

/* "-> 10.244.1.5:80" behind the name of the port tells of a chain KUBE-SEP-. */
static void learn_arrow(struct redact *r, const char *s, size_t len, const char *rest, size_t rest_len)
{
	char parts[3][PART_MAX] = { "", "", "" };
	const char *slash = memchr(s, '/', len), *name_end = slash ? memchr(slash, ':', (size_t)(s + len - slash)) : NULL, *colon;
	size_t n;
	struct ip_addr a;
	uint64_t number;

	if (!r->learning || rest_len < 6 || memcmp(rest, " -> ", 4) != 0 || !slash)
		return;
	rest += 4;
	rest_len -= 4;
	n = 0;
	while (n < rest_len && rest[n] != ' ')
		n++;
	colon = memrchr(rest, ':', n);
	if (!colon || parse_uint(colon + 1, (size_t)(rest + n - colon - 1), 65535, &number) < 0)
		return;
	n = (size_t)(colon - rest);
	if (ip_addr_parsen(*rest == '[' ? rest + 1 : rest, *rest == '[' && n > 2 ? n - 2 : n, &a) < 0)
		return;
	name_end = name_end ? name_end : s + len;
	snprintf(parts[0], PART_MAX, "%.*s", (int)(slash - s), s);
	snprintf(parts[1], PART_MAX, "%.*s", (int)(name_end - slash - 1), slash + 1);
	if (name_end < s + len)
		snprintf(parts[2], PART_MAX, "%.*s", (int)(s + len - name_end - 1), name_end + 1);
	redact_learn_endpoint(r, parts[0], parts[1], parts[2], &a, (uint16_t)number);
}

/* Word by word: the port's name may stand at the beginning or in the middle. */
void redact_add_comment(struct redact *r, struct strbuf *b, const char *s, size_t len)
{
	size_t text = 0; /* where what is not written yet begins */

	for (size_t at = 0; at < len;) {
		struct strbuf name CLEANUP(strbuf_release) = STRBUF_INIT;
		size_t n = 0;

		if (redact_add_port_name(r, &name, s + at, len - at, &n)) {
			redact_add_text(r, b, s + text, at - text);
			strbuf_adds(b, strbuf_str(&name));
			learn_arrow(r, s + at, n, s + at + n, len - at - n);
			text = at + n;
			r->failed |= name.failed;
		}
		while (at < len && s[at] != ' ')
			at++;
		at = MAX(at, text);
		at += at < len && s[at] == ' ';
	}
	redact_add_text(r, b, s + text, len - text);
}
