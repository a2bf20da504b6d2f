/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other files of a node: what ip, bridge, sysctl and ss print, and what kube-proxy and the kubelet say of themselves. */

#include <ctype.h>

#include "redact-private.h"

#define SMALL_MAX (64u << 20)

/* ---- JSON of ip and bridge ---- */

static enum redact_field ip_field(const char *key)
{
	static const struct {
		const char *key;
		enum redact_field field;
	} rows[] = {
		{ "ifname", FIELD_LINK }, { "dev", FIELD_LINK },    { "link", FIELD_LINK },	 { "master", FIELD_LINK },   { "label", FIELD_LINK },
		{ "iif", FIELD_LINK },	  { "oif", FIELD_LINK },    { "iifname", FIELD_LINK },	 { "oifname", FIELD_LINK },  { "altnames", FIELD_LINK },
		{ "address", FIELD_MAC }, { "broadcast", FIELD_MAC }, { "lladdr", FIELD_MAC },	 { "mac", FIELD_MAC },	     { "permaddr", FIELD_MAC },
		{ "bridge_id", FIELD_DROP }, { "local", FIELD_AN_ADDRESS }, { "dst", FIELD_TEXT }, { "src", FIELD_TEXT },    { "gateway", FIELD_TEXT },
		{ "prefsrc", FIELD_TEXT }, { "via", FIELD_DEEP },   { "host", FIELD_TEXT },	 { "from", FIELD_TEXT },     { "to", FIELD_TEXT },
		{ "addr_info", FIELD_DEEP }, { "linkinfo", FIELD_DEEP }, { "info_slave_data", FIELD_DEEP }, { "info_data", FIELD_DEEP },
		{ "info_kind", FIELD_TEXT }, { "info_slave_kind", FIELD_TEXT }, { "nexthops", FIELD_DEEP }, { "metrics", FIELD_DEEP },
		{ "family", FIELD_TEXT }, { "scope", FIELD_TEXT },  { "type", FIELD_TEXT },	 { "table", FIELD_TEXT },    { "protocol", FIELD_TEXT },
		{ "flags", FIELD_FLAGS }, { "state", FIELD_FLAGS },  { "operstate", FIELD_FLAGS }, { "link_type", FIELD_FLAGS }, { "qdisc", FIELD_DROP },
		{ "linkmode", FIELD_DROP }, { "group", FIELD_TEXT }, { "promiscuity", FIELD_AS_IS }, { "mtu", FIELD_AS_IS }, { "ifindex", FIELD_AS_IS },
		{ "prefixlen", FIELD_AS_IS }, { "dstlen", FIELD_AS_IS }, { "srclen", FIELD_AS_IS }, { "priority", FIELD_AS_IS }, { "metric", FIELD_AS_IS },
		{ "weight", FIELD_AS_IS }, { "hairpin", FIELD_AS_IS }, { "fwmark", FIELD_FLAGS }, { "fwmask", FIELD_FLAGS }, { "pref", FIELD_TEXT },
		{ "action", FIELD_TEXT }, { "suppress_prefixlen", FIELD_AS_IS }, { "not", FIELD_AS_IS }, { "secondary", FIELD_AS_IS }, { "deprecated", FIELD_AS_IS },
		{ "tentative", FIELD_AS_IS }, { "dynamic", FIELD_AS_IS }, { "valid_life_time", FIELD_AS_IS }, { "preferred_life_time", FIELD_AS_IS },
		{ "temporary", FIELD_AS_IS }, { "dadfailed", FIELD_AS_IS }, { "link_index", FIELD_AS_IS }, { "link_netnsid", FIELD_AS_IS },
		{ "vlan", FIELD_AS_IS }, { "mode", FIELD_AS_IS }, { "learning", FIELD_AS_IS }, { "flood", FIELD_AS_IS }, { "guard", FIELD_AS_IS },
		{ "nf_call_iptables", FIELD_AS_IS }, { "nf_call_ip6tables", FIELD_AS_IS }, { "vlan_filtering", FIELD_AS_IS }, { "isolated", FIELD_AS_IS },
		{ "l3mdev", FIELD_AS_IS }, { "ipproto", FIELD_TEXT }, { "sport", FIELD_AS_IS }, { "dport", FIELD_AS_IS }, { "tos", FIELD_FLAGS },
		{ "sport_start", FIELD_AS_IS }, { "sport_end", FIELD_AS_IS }, { "dport_start", FIELD_AS_IS }, { "dport_end", FIELD_AS_IS },
		{ "sport_mask", FIELD_AS_IS }, { "dport_mask", FIELD_AS_IS }, { "dscp", FIELD_AS_IS }, { "dscp_mask", FIELD_AS_IS },
		{ "flowlabel", FIELD_AS_IS }, { "flowlabel_mask", FIELD_AS_IS }, { "tun_id", FIELD_AS_IS }, { "goto", FIELD_AS_IS }, { "nop", FIELD_AS_IS },
		{ "unresolved", FIELD_AS_IS }, { "iif_detached", FIELD_AS_IS }, { "oif_detached", FIELD_AS_IS }, { "suppress_ifgroup", FIELD_TEXT },
		{ "suppress_prefixlength", FIELD_AS_IS }, { "proxy", FIELD_AS_IS }, { "optimistic", FIELD_AS_IS }, { "nhid", FIELD_AS_IS },
		{ "uid_start", FIELD_AS_IS }, { "uid_end", FIELD_AS_IS }, { "realm", FIELD_AS_IS }, { "multipath", FIELD_DEEP },
		{ "id", FIELD_AS_IS }, { "port", FIELD_AS_IS }, { "local6", FIELD_AN_ADDRESS }, { "remote6", FIELD_AN_ADDRESS }, { "group6", FIELD_AN_ADDRESS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].field;
	}
	return FIELD_DROP;
}

static int json_file(struct redact *r, const char *data, size_t size, struct strbuf *b, redact_field_fn *field_of)
{
	json_t *o = size <= SMALL_MAX ? json_loadb(data, size, 0, NULL) : NULL, *out;
	char *text;

	if (!o)
		return 0;
	out = redact_value(r, FIELD_DEEP, o, field_of);
	text = out ? json_dumps(out, JSON_COMPACT) : NULL;
	strbuf_adds(b, text ? text : "");
	strbuf_addc(b, '\n');
	r->failed |= !text || b->failed;
	free(text);
	json_decref(out);
	json_decref(o);
	return 1;
}

/* ---- kube-proxy and the kubelet ---- */

static enum redact_field healthz_field(const char *key)
{
	static const char *const deep[] = { "status", "IPv4", "IPv6" };

	for (size_t i = 0; i < ARRAY_LEN(deep); i++) {
		if (strcmp(deep[i], key) == 0)
			return FIELD_DEEP;
	}
	if (strcmp(key, "lastUpdated") == 0 || strcmp(key, "currentTime") == 0)
		return FIELD_TIME;
	return strcmp(key, "healthy") == 0 || strcmp(key, "nodeEligible") == 0 ? FIELD_AS_IS : FIELD_DROP;
}

static enum redact_field kubelet_field(const char *key)
{
	static const struct {
		const char *key;
		enum redact_field field;
	} rows[] = {
		{ "kubeletconfig", FIELD_DEEP }, { "kind", FIELD_CONDITION }, { "apiVersion", FIELD_API }, { "clusterDNS", FIELD_TEXT },
		{ "clusterDomain", FIELD_NAME }, { "hairpinMode", FIELD_FLAGS }, { "resolvConf", FIELD_PATH }, { "maxPods", FIELD_AS_IS },
		{ "makeIPTablesUtilChains", FIELD_AS_IS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].field;
	}
	return FIELD_DROP;
}

static enum redact_field cni_field(const char *key)
{
	static const struct {
		const char *key;
		enum redact_field field;
	} rows[] = {
		{ "name", FIELD_NAME }, { "plugins", FIELD_DEEP }, { "delegate", FIELD_DEEP }, { "type", FIELD_TEXT }, { "bridge", FIELD_LINK },
		{ "hairpinMode", FIELD_AS_IS }, { "promiscMode", FIELD_AS_IS }, { "ipMasq", FIELD_AS_IS }, { "isGateway", FIELD_AS_IS },
		{ "isDefaultGateway", FIELD_AS_IS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].key, key) == 0)
			return rows[i].field;
	}
	return FIELD_DROP;
}

static int mode_file(const char *data, size_t size, struct strbuf *b)
{
	static const char *const modes[] = { "iptables", "ipvs", "nftables", "userspace", "kernelspace" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		size_t n = strlen(modes[i]);

		if (size >= n && memcmp(data, modes[i], n) == 0 && (size == n || isspace((unsigned char)data[n]))) {
			strbuf_addf(b, "%s\n", modes[i]);
			return 1;
		}
	}
	return 0;
}

/* "Linux node1 6.1.0-18-amd64 #1 SMP ... x86_64 GNU/Linux": the kernel's name and release. */
static int uname_file(struct redact *r, const char *data, size_t size, struct strbuf *b)
{
	char line[512], *node, *release;

	snprintf(line, sizeof(line), "%.*s", (int)MIN(size, sizeof(line) - 1), data);
	line[strcspn(line, "\r\n")] = '\0';
	node = strchr(line, ' ');
	release = node ? strchr(node + 1, ' ') : NULL;
	if (!release || strncmp(line, "Linux ", 6) != 0)
		return 0;
	*release++ = '\0';
	release[strcspn(release, " ")] = '\0';
	strbuf_adds(b, "Linux ");
	redact_adds_name(r, b, node + 1);
	strbuf_addc(b, ' ');
	redact_add_field(r, b, FIELD_VERSION, release);
	strbuf_addc(b, '\n');
	return 1;
}

/* ---- sysctl ---- */

/* "net.ipv4.conf.eth0.": the length of what stands before the interface; 0: it is no setting of an interface. */
static size_t before_link(const char *s, const char *end)
{
	static const char *const heads[] = { "net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh." };

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		size_t n = strlen(heads[i]);

		if ((size_t)(end - s) > n && memcmp(s, heads[i], n) == 0)
			return n;
	}
	return 0;
}

/* Of net's settings those that tell how packets fare, by their full names: a name may be anything that somebody wrote into the file. */
static void sysctl_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	static const char *const whole[] = {
		"net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "net.ipv4.ip_nonlocal_bind", "net.ipv4.tcp_tw_recycle", "net.ipv4.tcp_tw_reuse",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_timestamps", "net.ipv4.ip_local_reserved_ports",
		"net.ipv4.fib_multipath_hash_policy", "net.ipv4.vs.cache_bypass", "net.ipv4.vs.conn_reuse_mode", "net.ipv4.vs.conntrack",
		"net.ipv4.vs.expire_nodest_conn", "net.ipv4.vs.expire_quiescent_template", "net.ipv4.vs.snat_reroute", "net.bridge.bridge-nf-call-arptables",
		"net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-iptables", "net.netfilter.nf_conntrack_count",
		"net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_tcp_be_liberal", "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
		"net.netfilter.nf_conntrack_tcp_timeout_established", "net.netfilter.nf_conntrack_udp_timeout",
		"net.netfilter.nf_conntrack_udp_timeout_stream", "net.nf_conntrack_max", "net.core.somaxconn", NULL
	};
	static const char *const of_link[] = {
		"accept_local", "accept_ra", "accept_redirects", "accept_source_route", "arp_announce", "arp_filter", "arp_ignore", "disable_ipv6",
		"forwarding", "gc_thresh1", "gc_thresh2", "gc_thresh3", "log_martians", "mtu", "proxy_arp", "proxy_ndp", "route_localnet", "rp_filter",
		"send_redirects", "src_valid_mark", NULL
	};
	static const char *const no_link[] = { "all", "default", NULL };
	const char *eq = memmem(s, (size_t)(end - s), " =", 2), *last;
	size_t n;

	for (const char *p = eq ? eq + 2 : end; p < end; p++) {
		if (!strchr(" \t0123456789-\r", *p))
			return;
	}
	if (!eq)
		return;
	n = before_link(s, eq);
	last = memrchr(s, '.', (size_t)(eq - s));
	if (n > 0 && last > s + n && str_one_of(last + 1, (size_t)(eq - (last + 1)), of_link)) {
		strbuf_add(b, s, n);
		if (str_one_of(s + n, (size_t)(last - (s + n)), no_link))
			strbuf_add(b, s + n, (size_t)(last - s) - n);
		else
			redact_add_link(r, b, s + n, (size_t)(last - s) - n);
		s = last;
	} else if (!str_one_of(s, (size_t)(eq - s), whole)) {
		return;
	}
	strbuf_add(b, s, (size_t)(end - s));
	strbuf_addc(b, '\n');
}

/* ---- ss ---- */

/* users:(("nginx",pid=1,fd=3)): programs that everybody runs stay. */
static void ss_users(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	const char *q = memchr(s, '"', (size_t)(end - s)), *to = q ? memchr(q + 1, '"', (size_t)(end - q - 1)) : NULL;

	if (!to)
		return;
	strbuf_adds(b, "users:((\"");
	redact_add_text(r, b, q + 1, (size_t)(to - q - 1));
	strbuf_adds(b, "\",pid=1,fd=3))");
}

static void ss_line(struct redact *r, struct strbuf *b, const char *s, const char *end)
{
	const char *users = memmem(s, (size_t)(end - s), "users:", 6), *to = users ? users : end;

	while (s < to) {
		size_t n = 0, percent;

		while (s < to && *s == ' ')
			strbuf_addc(b, *s++);
		while (s + n < to && s[n] != ' ')
			n++;
		percent = 0;
		while (percent < n && s[percent] != '%')
			percent++;
		if (percent < n) { /* 127.0.0.53%lo:53 */
			const char *colon = memrchr(s, ':', n);
			size_t link = (colon && colon > s + percent ? (size_t)(colon - s) : n) - percent - 1;
			bool bracket = link > 0 && s[percent + link] == ']';

			redact_add_text(r, b, s, percent);
			strbuf_addc(b, '%');
			redact_add_link(r, b, s + percent + 1, link - bracket);
			strbuf_adds(b, bracket ? "]" : "");
			redact_add_text(r, b, s + percent + 1 + link, n - percent - 1 - link);
		} else if (n > 0 && strspn(s, "0123456789*:.[]") >= n && !memchr(s, '.', n)) {
			bool six = memchr(s, '[', n) && !(n > 4 && memcmp(s, "[::]", 4) == 0);

			if (six)
				redact_add_text(r, b, s, n);
			else
				strbuf_add(b, s, n);
		} else if (n > 0) {
			redact_add_text(r, b, s, n);
		}
		s += n;
	}
	if (users)
		ss_users(r, b, users, end);
	strbuf_addc(b, '\n');
}

/* ---- all of them ---- */

int redact_each_line(struct redact *r, const char *data, size_t size, struct strbuf *b, redact_line_fn *fn)
{
	const char *end = data + size;

	while (data < end) {
		const char *nl = memchr(data, '\n', (size_t)(end - data)), *to = nl ? nl : end;

		fn(r, b, data, to);
		data = nl ? nl + 1 : end;
	}
	return 1;
}

static const struct {
	const char *name;
	redact_field_fn *field_of;
} json_files[] = {
	{ "ip-addr.json", ip_field },	{ "ip-link.json", ip_field },	 { "ip-route.json", ip_field },
	{ "ip-rule.json", ip_field },	{ "ip-neigh.json", ip_field },	 { "bridge-fdb.json", ip_field },
	{ "kube-proxy-healthz.json", healthz_field }, { "kube-proxy-livez.json", healthz_field }, { "kube-proxy-configz.json", redact_proxy_field }, { "kubelet-config.json", kubelet_field },
};

int redact_node_file(struct redact *r, const char *name, const char *data, size_t size, struct strbuf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(json_files); i++) {
		if (strcmp(json_files[i].name, name) == 0)
			return json_file(r, data, size, b, json_files[i].field_of);
	}
	if (str_starts(name, "cni/"))
		return json_file(r, data, size, b, cni_field);
	if ((str_starts(name, "iptables-") || str_starts(name, "ip6tables-")) && str_ends(name, "save.txt"))
		return redact_xtables(r, data, size, b);
	if (strcmp(name, "ipset-save.txt") == 0)
		return redact_ipset(r, data, size, b);
	if (strcmp(name, "ipvsadm-save.txt") == 0 || strcmp(name, "ipvsadm-ln.txt") == 0)
		return redact_ipvs(r, data, size, b);
	if (strcmp(name, "nft-ruleset.json") == 0)
		return size == 0 ? 1 : redact_nft(r, data, size, b);
	if (strcmp(name, "sysctl.txt") == 0)
		return redact_each_line(r, data, size, b, sysctl_line);
	if (strcmp(name, "ss.txt") == 0)
		return redact_each_line(r, data, size, b, ss_line);
	if (strcmp(name, "uname.txt") == 0)
		return uname_file(r, data, size, b);
	if (strcmp(name, "kube-proxy-mode.txt") == 0)
		return mode_file(data, size, b);
	if (strcmp(name, "kube-proxy.log") == 0 || strcmp(name, "kube-proxy.previous.log") == 0)
		return redact_log(r, LOG_KUBE_PROXY, data, size, b);
	if (strcmp(name, "dmesg.txt") == 0)
		return redact_log(r, LOG_KERNEL, data, size, b);
	if (strcmp(name, "resolv.conf") == 0)
		return redact_resolv_conf(r, data, size, b);
	if (strcmp(name, "dns.txt") == 0)
		return redact_dns_text(r, data, size, b);
	if (strcmp(name, "conntrack-stats.txt") == 0)
		return redact_conntrack_stats(r, data, size, b);
	return redact_node_more(r, name, data, size, b);
}
