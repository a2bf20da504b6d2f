/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How kube-proxy reads a Service's fields (pkg/proxy/serviceport.go, pkg/api/v1/service/util.go)
 * and its own configuration: local detector (cmd/kube-proxy/app/server_linux.go) and node-port
 * addresses (pkg/proxy/util/nodeport_addresses.go).
 */

#include <ctype.h>

#include "expect-private.h"

static bool type_is(const struct k8s_service *s, const char *type)
{
	return strcmp(s->type, type) == 0;
}

/* A policy Local on a Service that nobody outside can reach is not looked at. */
bool expect_external_local(const struct k8s_service *s)
{
	if (!s->external_local) {
		return false;
	}
	return type_is(s, "LoadBalancer") || type_is(s, "NodePort") ||
	       (type_is(s, "ClusterIP") && s->nexternal_ips > 0);
}

bool expect_internal_local(const struct expect_node *node, const struct k8s_service *s)
{
	return s->internal_local && expect_after(node, CHANGE_INTERNAL_LOCAL) &&
	       (expect_after(node, CHANGE_POLICIES_APART) || !expect_external_local(s));
}

bool expect_external_ips_on(const struct expect_node *node)
{
	return expect_gate(node, "AllowServiceExternalIPs") != 0;
}

bool expect_is_vip(const struct expect_node *node, const struct k8s_ingress_point *i, int family)
{
	if (i->ip.family != family) {
		return false;
	}
	return !i->ip_mode || strcmp(i->ip_mode, "VIP") == 0 || !expect_after(node, CHANGE_IP_MODE);
}

uint16_t expect_health_port(const struct k8s_service *s)
{
	return type_is(s, "LoadBalancer") && s->external_local ? s->health_check_node_port : 0;
}

bool expect_externally_accessible(const struct expect_node *node, const struct k8s_service *s,
				  const struct k8s_service_port *port, int family)
{
	if (port->node_port) {
		return true;
	}
	for (size_t i = 0; i < s->nexternal_ips && expect_external_ips_on(node); i++) {
		if (s->external_ips[i].family == family) {
			return true;
		}
	}
	for (size_t i = 0; i < s->ningress; i++) {
		if (expect_is_vip(node, &s->ingress[i], family)) {
			return true;
		}
	}
	return false;
}

/* Go's sloppy parser takes 010.0.0.0 as 10.0.0.0: drops zeros before a digit of an IPv4 text. */
static size_t drop_leading_zeros(const char *s, size_t len, char *ret, size_t size)
{
	size_t n = 0;
	bool at_start = true;
	for (size_t i = 0; i < len && n < size; i++) {
		if (at_start && s[i] == '0' && i + 1 < len && isdigit((unsigned char)s[i + 1])) {
			continue;
		}
		at_start = s[i] == '.';
		ret[n++] = s[i];
	}
	return n;
}

bool expect_source_range(const struct k8s_service *s, size_t i, int family, struct ip_prefix *ret)
{
	const char *text = s->source_ranges[i];
	if (!text) {
		return false;
	}
	text += strspn(text, " \t\r\n\v\f");
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1])) {
		len--;
	}
	char plain[64];
	if (!memchr(text, ':', len)) {
		if (len > sizeof(plain)) {
			return false;
		}
		len = drop_leading_zeros(text, len, plain, sizeof(plain));
		text = plain;
	}
	struct ip_prefix p;
	if (!memchr(text, '/', len) || ip_prefix_parsen(text, len, &p) < 0 || p.addr.family != family) {
		return false;
	}
	p.addr = ip_prefix_first(&p);
	*ret = p;
	return true;
}

bool expect_has_ranges(const struct k8s_service *s, int family)
{
	bool any = false;
	for (size_t i = 0; i < s->nsource_ranges; i++) {
		struct ip_prefix p;
		if (expect_source_range(s, i, family, &p)) {
			if (p.len == 0) {
				return false;
			}
			any = true;
		}
	}
	return any;
}

bool expect_in_ranges(const struct k8s_service *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->nsource_ranges; i++) {
		struct ip_prefix p;
		if (expect_source_range(s, i, a->family, &p) && ip_prefix_contains(&p, a)) {
			return true;
		}
	}
	return false;
}

const struct ip_addr *expect_node_ip(const struct expect_node *node, int family)
{
	return family == AF_INET ? &node->ip4 : &node->ip6;
}

static bool first_of_family(const struct ip_prefix *v, size_t len, int family, struct ip_prefix *ret)
{
	for (size_t i = 0; i < len; i++) {
		if (v[i].addr.family == family) {
			*ret = v[i];
			ret->addr = ip_prefix_first(ret);
			return true;
		}
	}
	return false;
}

void expect_detector(const struct expect_node *node, int family, struct local_detector *ret)
{
	const struct kube_proxy_config *c = node->config;
	*ret = (struct local_detector){ .kind = DETECTOR_UNKNOWN };
	if (!c->known) {
		return;
	}
	const char *mode = c->detect_local_mode ? c->detect_local_mode : "";
	ret->kind = DETECTOR_NONE;
	if (mode[0] == '\0' || strcmp(mode, "ClusterCIDR") == 0) {
		if (first_of_family(c->cluster_cidrs, c->ncluster_cidrs, family, &ret->prefix)) {
			ret->kind = DETECTOR_PREFIX;
		}
	} else if (strcmp(mode, "NodeCIDR") == 0) {
		if (!node->object) {
			ret->kind = DETECTOR_UNKNOWN;
		} else if (first_of_family(node->object->pod_cidrs, node->object->npod_cidrs, family,
					   &ret->prefix)) {
			ret->kind = DETECTOR_PREFIX;
		}
	} else if (strcmp(mode, "BridgeInterface") == 0 && c->bridge_interface && c->bridge_interface[0]) {
		ret->kind = DETECTOR_INTERFACE;
		ret->interface = c->bridge_interface;
	} else if (strcmp(mode, "InterfaceNamePrefix") == 0 && c->interface_prefix &&
		   c->interface_prefix[0]) {
		ret->kind = DETECTOR_INTERFACE_PREFIX;
		ret->interface = c->interface_prefix;
	}
}

enum tri expect_is_local_pod(const struct expect_node *node, const struct ip_addr *src)
{
	struct local_detector d;
	expect_detector(node, src->family, &d);
	if (d.kind != DETECTOR_PREFIX) {
		return TRI_UNKNOWN;
	}
	return ip_prefix_contains(&d.prefix, src) ? TRI_TRUE : TRI_FALSE;
}

/* Said so, or nftables mode and nothing said. */
static bool wants_primary(const struct expect_node *node)
{
	const struct kube_proxy_config *c = node->config;
	if (c->nnode_port_addresses == 0) {
		return node->mode == MODE_NFTABLES && expect_after(node, CHANGE_NFT_PRIMARY);
	}
	return c->nnode_port_addresses == 1 && strcmp(c->node_port_addresses[0], "primary") == 0;
}

/* The words that 1.37 allows among the prefixes; a single "primary" is older. */
static bool node_port_word(const struct expect_node *node, const char *word, int family, struct ip_prefix *ret)
{
	const char *text = NULL;
	if (strcmp(word, "primary") == 0) {
		const struct ip_addr *ip = expect_node_ip(node, family);
		*ret = (struct ip_prefix){ .addr = *ip, .len = (uint8_t)(8 * ip_addr_size(ip)) };
		return ip->family == family;
	}
	if (strcmp(word, "localhost") == 0) {
		text = family == AF_INET ? "127.0.0.0/8" : "::1/128";
	} else if (strcmp(word, "all") == 0) {
		text = family == AF_INET ? "0.0.0.0/0" : "::/0";
	}
	return text && ip_prefix_parse(text, ret) == 0;
}

/* Prefix @i of nodePortAddresses; false when it is unreadable or of the other family. */
static bool node_port_prefix(const struct expect_node *node, size_t i, int family, struct ip_prefix *ret)
{
	const char *text = node->config->node_port_addresses[i];
	return text && (node_port_word(node, text, family, ret) ||
			(ip_prefix_parse(text, ret) == 0 && ret->addr.family == family));
}

/* A family without a prefix of its own, or with a /0, takes all addresses. */
enum node_ports_kind expect_node_ports(const struct expect_node *node, int family)
{
	const struct kube_proxy_config *c = node->config;
	if (wants_primary(node)) {
		const struct ip_addr *ip = expect_node_ip(node, family);
		if (ip->family) {
			return ip_addr_is_loopback(ip) ? NODE_PORTS_ALL : NODE_PORTS_LIST;
		}
		return node->object ? NODE_PORTS_ALL : NODE_PORTS_UNKNOWN;
	}
	bool any = false;
	for (size_t i = 0; i < c->nnode_port_addresses; i++) {
		struct ip_prefix p;
		if (node_port_prefix(node, i, family, &p)) {
			if (p.len == 0) {
				return NODE_PORTS_ALL;
			}
			any = true;
		}
	}
	return any ? NODE_PORTS_LIST : NODE_PORTS_ALL;
}

/* The option counts only in iptables mode, and while the node-port addresses hold a loopback address. */
bool expect_localhost_node_ports(const struct expect_node *node)
{
	const struct kube_proxy_config *c = node->config;
	enum node_ports_kind kind = expect_node_ports(node, AF_INET);
	if (node->mode != MODE_IPTABLES || c->localhost_node_ports == 0 || kind == NODE_PORTS_UNKNOWN) {
		return false;
	}
	if (kind == NODE_PORTS_ALL) {
		return true;
	}
	const struct ip_addr lowest = { .family = AF_INET, .b = { 127, 0, 0, 0 } };
	for (size_t i = 0; i < c->nnode_port_addresses && !wants_primary(node); i++) {
		struct ip_prefix p;
		if (node_port_prefix(node, i, AF_INET, &p) &&
		    (ip_addr_is_loopback(&p.addr) || ip_prefix_contains(&p, &lowest))) {
			return true;
		}
	}
	return false;
}

bool expect_is_node_port_addr(const struct expect_node *node, const struct ip_addr *a)
{
	const struct kube_proxy_config *c = node->config;
	if (ip_addr_is_loopback(a) && (a->family != AF_INET || !expect_localhost_node_ports(node))) {
		return false;
	}
	switch (expect_node_ports(node, a->family)) {
	case NODE_PORTS_ALL:
		/* IPVS mode has a virtual server for each address, and none for fe80::. */
		return node->mode != MODE_IPVS || a->family == AF_INET || !ip_addr_is_linklocal(a);
	case NODE_PORTS_UNKNOWN:
		return false;
	case NODE_PORTS_LIST:
		break;
	}
	if (wants_primary(node)) {
		return ip_addr_equal(a, expect_node_ip(node, a->family));
	}
	for (size_t i = 0; i < c->nnode_port_addresses; i++) {
		struct ip_prefix p;
		if (node_port_prefix(node, i, a->family, &p) && ip_prefix_contains(&p, a)) {
			return true;
		}
	}
	return false;
}

enum tri expect_answers_node_ports(const struct expect_node *node, const struct ip_addr *a)
{
	if (!node->config->known || expect_node_ports(node, a->family) == NODE_PORTS_UNKNOWN) {
		return TRI_UNKNOWN;
	}
	return expect_is_node_port_addr(node, a) ? TRI_TRUE : TRI_FALSE;
}
