/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only links of one kind have: info_data and info_slave_data of `ip -j -d link`, in the order of iproute2 6.1 (ip/iplink_bridge.c,
 * iplink_bridge_slave.c, iplink_vlan.c, iplink_vxlan.c, iplink_macvlan.c, iplink_ipvlan.c, iplink_vrf.c, iptuntap.c). Other kinds are named, and
 * have no info_data here.
 */
#include <linux/if_bridge.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>

#include "rtnl-private.h"

#define ATTRS_MAX 63

/* ---- tables of attributes ---- */

struct field;
typedef void (*field_fn)(struct rtnl_reading *r, const char *key, const struct nlattr *a);
struct field {
	const char *key;
	uint16_t attr;
	field_fn print;
};

static void print_fields(struct rtnl_reading *r, const struct field *f, size_t len, const struct nlattr *const *tb)
{
	for (size_t i = 0; i < len; i++) {
		if (tb[f[i].attr])
			f[i].print(r, f[i].key, tb[f[i].attr]);
	}
}

static void print_hex_number(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	jo_hex(&r->out, key, rtnl_num(a, 0));
}

/* struct ifla_bridge_id: its address without leading zeros, as ether_ntoa has it */
static void print_bridge_id(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	struct ifla_bridge_id id;

	r->odd |= rtnl_size(a) < sizeof(id);
	if (rtnl_size(a) < sizeof(id))
		return;
	memcpy(&id, rtnl_data(a), sizeof(id));
	jo_strf(&r->out, key, "%02x%02x.%x:%x:%x:%x:%x:%x", id.prio[0], id.prio[1], id.addr[0], id.addr[1], id.addr[2], id.addr[3], id.addr[4],
		id.addr[5]);
}

/* In hundredths of a second (USER_HZ), printed in seconds. */
static void print_timer(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	const unsigned long long n = rtnl_num(a, 0);

	jo_raw(&r->out, key, "%llu.%02u", n / 100, (unsigned)(n % 100));
}

static void print_mac(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	jo_lladdr_attr(r, key, a, 1);
}

/* A protocol of Ethernet: lib/ll_proto.c */
static void print_ethernet_protocol(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	const uint16_t n = ntohs((uint16_t)rtnl_num(a, 0));

	if (n == ETH_P_8021Q)
		jo_str(&r->out, key, "802.1Q");
	else if (n == ETH_P_8021AD)
		jo_str(&r->out, key, "802.1ad");
	else
		jo_strf(&r->out, key, "[%d]", n);
}

static void print_dev(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (rtnl_num(a, 0))
		jo_dev(r, key, (uint32_t)rtnl_num(a, 0));
}

static void print_port(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	jo_uint(&r->out, key, ntohs((uint16_t)rtnl_num(a, 0)));
}

/* true where it is set, nothing otherwise */
static void print_if_set(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (rtnl_num(a, 0))
		jo_bool(&r->out, key, true);
}

/* ---- bridges and their ports ---- */

static void print_options(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	struct br_boolopt_multi o;

	(void)key;
	r->odd |= rtnl_size(a) < sizeof(o);
	if (rtnl_size(a) < sizeof(o))
		return;
	memcpy(&o, rtnl_data(a), sizeof(o));
	if (o.optmask & 1u << BR_BOOLOPT_NO_LL_LEARN)
		jo_uint(&r->out, "no_linklocal_learn", o.optval >> BR_BOOLOPT_NO_LL_LEARN & 1);
	if (o.optmask & 1u << BR_BOOLOPT_MCAST_VLAN_SNOOPING)
		jo_uint(&r->out, "mcast_vlan_snooping", o.optval >> BR_BOOLOPT_MCAST_VLAN_SNOOPING & 1);
}

static const struct field bridge_fields[] = {
	{ "forward_delay", IFLA_BR_FORWARD_DELAY, jo_num_attr },
	{ "hello_time", IFLA_BR_HELLO_TIME, jo_num_attr },
	{ "max_age", IFLA_BR_MAX_AGE, jo_num_attr },
	{ "ageing_time", IFLA_BR_AGEING_TIME, jo_num_attr },
	{ "stp_state", IFLA_BR_STP_STATE, jo_num_attr },
	{ "priority", IFLA_BR_PRIORITY, jo_num_attr },
	{ "vlan_filtering", IFLA_BR_VLAN_FILTERING, jo_num_attr },
	{ "vlan_protocol", IFLA_BR_VLAN_PROTOCOL, print_ethernet_protocol },
	{ "bridge_id", IFLA_BR_BRIDGE_ID, print_bridge_id },
	{ "root_id", IFLA_BR_ROOT_ID, print_bridge_id },
	{ "root_port", IFLA_BR_ROOT_PORT, jo_num_attr },
	{ "root_path_cost", IFLA_BR_ROOT_PATH_COST, jo_num_attr },
	{ "topology_change", IFLA_BR_TOPOLOGY_CHANGE, jo_num_attr },
	{ "topology_change_detected", IFLA_BR_TOPOLOGY_CHANGE_DETECTED, jo_num_attr },
	{ "hello_timer", IFLA_BR_HELLO_TIMER, print_timer },
	{ "tcn_timer", IFLA_BR_TCN_TIMER, print_timer },
	{ "topology_change_timer", IFLA_BR_TOPOLOGY_CHANGE_TIMER, print_timer },
	{ "gc_timer", IFLA_BR_GC_TIMER, print_timer },
	{ "vlan_default_pvid", IFLA_BR_VLAN_DEFAULT_PVID, jo_num_attr },
	{ "vlan_stats_enabled", IFLA_BR_VLAN_STATS_ENABLED, jo_num_attr },
	{ "vlan_stats_per_port", IFLA_BR_VLAN_STATS_PER_PORT, jo_num_attr },
	{ "group_fwd_mask", IFLA_BR_GROUP_FWD_MASK, print_hex_number },
	{ "group_addr", IFLA_BR_GROUP_ADDR, print_mac },
	{ "mcast_snooping", IFLA_BR_MCAST_SNOOPING, jo_num_attr },
	{ "", IFLA_BR_MULTI_BOOLOPT, print_options },
	{ "mcast_router", IFLA_BR_MCAST_ROUTER, jo_num_attr },
	{ "mcast_query_use_ifaddr", IFLA_BR_MCAST_QUERY_USE_IFADDR, jo_num_attr },
	{ "mcast_querier", IFLA_BR_MCAST_QUERIER, jo_num_attr },
	{ "mcast_hash_elasticity", IFLA_BR_MCAST_HASH_ELASTICITY, jo_num_attr },
	{ "mcast_hash_max", IFLA_BR_MCAST_HASH_MAX, jo_num_attr },
	{ "mcast_last_member_cnt", IFLA_BR_MCAST_LAST_MEMBER_CNT, jo_num_attr },
	{ "mcast_startup_query_cnt", IFLA_BR_MCAST_STARTUP_QUERY_CNT, jo_num_attr },
	{ "mcast_last_member_intvl", IFLA_BR_MCAST_LAST_MEMBER_INTVL, jo_num_attr },
	{ "mcast_membership_intvl", IFLA_BR_MCAST_MEMBERSHIP_INTVL, jo_num_attr },
	{ "mcast_querier_intvl", IFLA_BR_MCAST_QUERIER_INTVL, jo_num_attr },
	{ "mcast_query_intvl", IFLA_BR_MCAST_QUERY_INTVL, jo_num_attr },
	{ "mcast_query_response_intvl", IFLA_BR_MCAST_QUERY_RESPONSE_INTVL, jo_num_attr },
	{ "mcast_startup_query_intvl", IFLA_BR_MCAST_STARTUP_QUERY_INTVL, jo_num_attr },
	{ "mcast_stats_enabled", IFLA_BR_MCAST_STATS_ENABLED, jo_num_attr },
	{ "mcast_igmp_version", IFLA_BR_MCAST_IGMP_VERSION, jo_num_attr },
	{ "mcast_mld_version", IFLA_BR_MCAST_MLD_VERSION, jo_num_attr },
	{ "nf_call_iptables", IFLA_BR_NF_CALL_IPTABLES, jo_num_attr },
	{ "nf_call_ip6tables", IFLA_BR_NF_CALL_IP6TABLES, jo_num_attr },
	{ "nf_call_arptables", IFLA_BR_NF_CALL_ARPTABLES, jo_num_attr },
};

static void print_port_state(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const states[] = { "disabled", "listening", "learning", "forwarding", "blocking" };
	const uint64_t n = rtnl_num(a, 0);

	if (n < ARRAY_LEN(states))
		jo_str(&r->out, key, states[n]);
	else
		jo_uint(&r->out, "state_index", n);
}

static void print_forward_mask(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const names[16] = { [0] = "stp", [2] = "lacp", [14] = "lldp" };
	const unsigned mask = (unsigned)rtnl_num(a, 0) & 0xffff;
	char text[128] = "0x0";
	size_t at = 0;

	jo_hex(&r->out, key, mask);
	for (unsigned i = 0; i < 16; i++) {
		if (!(mask >> i & 1) || at + 8 >= sizeof(text))
			continue;
		if (names[i])
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", at ? "," : "", names[i]);
		else
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%#x", at ? "," : "", 1u << i);
	}
	jo_str(&r->out, "group_fwd_mask_str", text);
}

static const struct field bridge_port_fields[] = {
	{ "state", IFLA_BRPORT_STATE, print_port_state },
	{ "priority", IFLA_BRPORT_PRIORITY, jo_num_attr },
	{ "cost", IFLA_BRPORT_COST, jo_num_attr },
	{ "hairpin", IFLA_BRPORT_MODE, jo_flag_attr },
	{ "guard", IFLA_BRPORT_GUARD, jo_flag_attr },
	{ "root_block", IFLA_BRPORT_PROTECT, jo_flag_attr },
	{ "fastleave", IFLA_BRPORT_FAST_LEAVE, jo_flag_attr },
	{ "learning", IFLA_BRPORT_LEARNING, jo_flag_attr },
	{ "flood", IFLA_BRPORT_UNICAST_FLOOD, jo_flag_attr },
	{ "id", IFLA_BRPORT_ID, print_hex_number },
	{ "no", IFLA_BRPORT_NO, print_hex_number },
	{ "designated_port", IFLA_BRPORT_DESIGNATED_PORT, jo_num_attr },
	{ "designated_cost", IFLA_BRPORT_DESIGNATED_COST, jo_num_attr },
	{ "bridge_id", IFLA_BRPORT_BRIDGE_ID, print_bridge_id },
	{ "root_id", IFLA_BRPORT_ROOT_ID, print_bridge_id },
	{ "hold_timer", IFLA_BRPORT_HOLD_TIMER, print_timer },
	{ "message_age_timer", IFLA_BRPORT_MESSAGE_AGE_TIMER, print_timer },
	{ "forward_delay_timer", IFLA_BRPORT_FORWARD_DELAY_TIMER, print_timer },
	{ "topology_change_ack", IFLA_BRPORT_TOPOLOGY_CHANGE_ACK, jo_num_attr },
	{ "config_pending", IFLA_BRPORT_CONFIG_PENDING, jo_num_attr },
	{ "proxy_arp", IFLA_BRPORT_PROXYARP, jo_flag_attr },
	{ "proxy_arp_wifi", IFLA_BRPORT_PROXYARP_WIFI, jo_flag_attr },
	{ "multicast_router", IFLA_BRPORT_MULTICAST_ROUTER, jo_num_attr },
	{ "mcast_flood", IFLA_BRPORT_MCAST_FLOOD, jo_flag_attr },
	{ "bcast_flood", IFLA_BRPORT_BCAST_FLOOD, jo_flag_attr },
	{ "mcast_to_unicast", IFLA_BRPORT_MCAST_TO_UCAST, jo_flag_attr },
	{ "neigh_suppress", IFLA_BRPORT_NEIGH_SUPPRESS, jo_flag_attr },
	{ "group_fwd_mask", IFLA_BRPORT_GROUP_FWD_MASK, print_forward_mask },
	{ "vlan_tunnel", IFLA_BRPORT_VLAN_TUNNEL, jo_flag_attr },
	{ "isolated", IFLA_BRPORT_ISOLATED, jo_flag_attr },
	{ "locked", IFLA_BRPORT_LOCKED, jo_flag_attr },
	{ "backup_port", IFLA_BRPORT_BACKUP_PORT, print_dev },
};

/* ---- vlan ---- */

static void print_vlan_flags(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const names[] = { "REORDER_HDR", "GVRP", "LOOSE_BINDING", "MVRP", "BRIDGE_BINDING" }; /* by bit */
	static const unsigned order[] = { 0, 1, 3, 2, 4 };
	struct ifla_vlan_flags f;

	if (rtnl_size(a) < sizeof(f))
		return;
	memcpy(&f, rtnl_data(a), sizeof(f));
	jo_open(&r->out, key, '[');
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		if (f.flags >> order[i] & 1)
			jo_str(&r->out, NULL, names[order[i]]);
	}
	if (f.flags >> ARRAY_LEN(names))
		jo_strf(&r->out, NULL, "%x", f.flags & ~31u);
	jo_close(&r->out, ']');
}

static void print_vlan_map(struct rtnl_reading *r, const char *key, const struct nlattr *list)
{
	struct ifla_vlan_qos_mapping m;

	jo_open(&r->out, key, '[');
	for (const struct nlattr *a = rtnl_first(list); a; a = rtnl_next(list, a)) {
		if (rtnl_size(a) < sizeof(m))
			continue;
		memcpy(&m, rtnl_data(a), sizeof(m));
		jo_open(&r->out, NULL, '{');
		jo_uint(&r->out, "from", m.from);
		jo_uint(&r->out, "to", m.to);
		jo_close(&r->out, '}');
	}
	jo_close(&r->out, ']');
}

static const struct field vlan_fields[] = {
	{ "protocol", IFLA_VLAN_PROTOCOL, print_ethernet_protocol }, { "id", IFLA_VLAN_ID, jo_num_attr },
	{ "flags", IFLA_VLAN_FLAGS, print_vlan_flags },		     { "ingress_qos", IFLA_VLAN_INGRESS_QOS, print_vlan_map },
	{ "egress_qos", IFLA_VLAN_EGRESS_QOS, print_vlan_map },
};

/* ---- vxlan ---- */

static void print_remote(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	const int family = rtnl_size(a) == 4 ? AF_INET : AF_INET6;
	struct ip_addr addr;

	if (!rtnl_addr(family, rtnl_data(a), rtnl_size(a), &addr)) {
		r->odd = true;
		return;
	}
	if (ip_addr_is_zero(&addr))
		return;
	if (*key == 'r' && ip_addr_is_multicast(&addr))
		key = family == AF_INET ? "group" : "group6";
	jo_addr_attr(r, key, family, a);
}

static void print_port_range(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	struct ifla_vxlan_port_range p;

	if (rtnl_size(a) < sizeof(p))
		return;
	memcpy(&p, rtnl_data(a), sizeof(p));
	jo_open(&r->out, key, '{');
	jo_uint(&r->out, "low", ntohs(p.low));
	jo_uint(&r->out, "high", ntohs(p.high));
	jo_close(&r->out, '}');
}

static void print_df(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const words[] = { "unset", "set", "inherit" };

	if (rtnl_num(a, 0) < ARRAY_LEN(words))
		jo_str(&r->out, key, words[rtnl_num(a, 0)]);
}

static void print_not_zero(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (rtnl_num(a, 0))
		jo_num_attr(r, key, a);
}

static void print_hex_not_zero(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	if (rtnl_num(a, 0))
		jo_hex(&r->out, key, rtnl_num(a, 0));
}

static void print_true(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	(void)a;
	jo_bool(&r->out, key, true);
}

static const struct field vxlan_fields[] = {
	{ "external", IFLA_VXLAN_COLLECT_METADATA, print_if_set },
	{ "id", IFLA_VXLAN_ID, jo_num_attr },
	{ "remote", IFLA_VXLAN_GROUP, print_remote },
	{ "remote6", IFLA_VXLAN_GROUP6, print_remote },
	{ "local", IFLA_VXLAN_LOCAL, print_remote },
	{ "local6", IFLA_VXLAN_LOCAL6, print_remote },
	{ "link", IFLA_VXLAN_LINK, print_dev },
	{ "port_range", IFLA_VXLAN_PORT_RANGE, print_port_range },
	{ "port", IFLA_VXLAN_PORT, print_port },
	{ "learning", IFLA_VXLAN_LEARNING, jo_flag_attr },
	{ "proxy", IFLA_VXLAN_PROXY, print_if_set },
	{ "rsc", IFLA_VXLAN_RSC, print_if_set },
	{ "l2miss", IFLA_VXLAN_L2MISS, print_if_set },
	{ "l3miss", IFLA_VXLAN_L3MISS, print_if_set },
	{ "tos", IFLA_VXLAN_TOS, print_hex_not_zero },
	{ "ttl", IFLA_VXLAN_TTL, jo_num_attr },
	{ "df", IFLA_VXLAN_DF, print_df },
	{ "ageing", IFLA_VXLAN_AGEING, jo_num_attr },
	{ "limit", IFLA_VXLAN_LIMIT, print_not_zero },
	{ "udp_csum", IFLA_VXLAN_UDP_CSUM, jo_flag_attr },
	{ "udp_zero_csum6_tx", IFLA_VXLAN_UDP_ZERO_CSUM6_TX, jo_flag_attr },
	{ "udp_zero_csum6_rx", IFLA_VXLAN_UDP_ZERO_CSUM6_RX, jo_flag_attr },
	{ "remcsum_tx", IFLA_VXLAN_REMCSUM_TX, print_if_set },
	{ "remcsum_rx", IFLA_VXLAN_REMCSUM_RX, print_if_set },
	{ "gbp", IFLA_VXLAN_GBP, print_true },
	{ "gpe", IFLA_VXLAN_GPE, print_true },
};

/* ---- macvlan, ipvlan, vrf, tun ---- */

static void print_macvlan_mode(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const modes[] = { "private", "vepa", "bridge", "passthru", "source" };
	const uint64_t mode = rtnl_num(a, 0);
	const char *word = "unknown";

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		word = mode == 1u << i ? modes[i] : word;
	jo_str(&r->out, key, word);
}

static void print_macvlan_flags(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	(void)key;
	if (rtnl_num(a, 0) & MACVLAN_FLAG_NOPROMISC)
		jo_bool(&r->out, "nopromisc", true);
	if (rtnl_num(a, 0) & MACVLAN_FLAG_NODST)
		jo_bool(&r->out, "nodst", true);
}

static const struct field macvlan_fields[] = {
	{ "mode", IFLA_MACVLAN_MODE, print_macvlan_mode },
	{ "", IFLA_MACVLAN_FLAGS, print_macvlan_flags },
	{ "bcqueuelen", IFLA_MACVLAN_BC_QUEUE_LEN, jo_num_attr },
	{ "usedbcqueuelen", IFLA_MACVLAN_BC_QUEUE_LEN_USED, jo_num_attr },
};

static void print_ipvlan_mode(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	static const char *const modes[] = { "l2", "l3", "l3s" };

	jo_str(&r->out, key, rtnl_num(a, 0) < ARRAY_LEN(modes) ? modes[rtnl_num(a, 0)] : "unknown");
}

static void print_ipvlan_flags(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	const uint64_t flags = rtnl_num(a, 0);

	(void)key;
	jo_bool(&r->out, flags & IPVLAN_F_PRIVATE ? "private" : flags & IPVLAN_F_VEPA ? "vepa" : "bridge", true);
}

static const struct field ipvlan_fields[] = {
	{ "mode", IFLA_IPVLAN_MODE, print_ipvlan_mode },
	{ "", IFLA_IPVLAN_FLAGS, print_ipvlan_flags },
};

static const struct field vrf_fields[] = { { "table", IFLA_VRF_TABLE, jo_num_attr } };
static const struct field vrf_port_fields[] = { { "table", IFLA_VRF_PORT_TABLE, jo_num_attr } };

static void print_tun_type(struct rtnl_reading *r, const char *key, const struct nlattr *a)
{
	const uint64_t type = rtnl_num(a, 0);

	if (type == IFF_TUN || type == IFF_TAP)
		jo_str(&r->out, key, type == IFF_TUN ? "tun" : "tap");
	else
		jo_strf(&r->out, key, "UNKNOWN:%u", (unsigned)type);
}

static const struct field tun_fields[] = {
	{ "type", IFLA_TUN_TYPE, print_tun_type },	  { "pi", IFLA_TUN_PI, jo_flag_attr },
	{ "vnet_hdr", IFLA_TUN_VNET_HDR, jo_flag_attr },  { "multi_queue", IFLA_TUN_MULTI_QUEUE, jo_flag_attr },
	{ "numqueues", IFLA_TUN_NUM_QUEUES, jo_num_attr }, { "numdisabled", IFLA_TUN_NUM_DISABLED_QUEUES, jo_num_attr },
	{ "persist", IFLA_TUN_PERSIST, jo_flag_attr },	  { "user", IFLA_TUN_OWNER, jo_num_attr },
	{ "group", IFLA_TUN_GROUP, jo_num_attr },
};

/* ---- which is which ---- */

#define FIELDS(a) (a), ARRAY_LEN(a)
struct kind {
	const char *name;
	const struct field *fields;
	size_t nfields;
};
static const struct kind kinds[] = {
	{ "bridge", FIELDS(bridge_fields) },   { "vlan", FIELDS(vlan_fields) },	    { "vxlan", FIELDS(vxlan_fields) }, { "macvlan", FIELDS(macvlan_fields) },
	{ "macvtap", FIELDS(macvlan_fields) }, { "ipvlan", FIELDS(ipvlan_fields) }, { "vrf", FIELDS(vrf_fields) },     { "tun", FIELDS(tun_fields) },
};
static const struct kind port_kinds[] = { { "bridge", FIELDS(bridge_port_fields) }, { "vrf", FIELDS(vrf_port_fields) } };

static void print_data(struct rtnl_reading *r, const char *key, const struct kind *k, size_t len, const char *name, const struct nlattr *data)
{
	const struct nlattr *tb[ATTRS_MAX + 1];

	for (size_t i = 0; i < len; i++) {
		if (strcmp(k[i].name, name) != 0)
			continue;
		rtnl_nested(data, tb, ATTRS_MAX);
		jo_open(&r->out, key, '{');
		print_fields(r, k[i].fields, k[i].nfields, tb);
		jo_close(&r->out, '}');
	}
}

void jo_linkinfo(struct rtnl_reading *r, const struct nlattr *info)
{
	const struct nlattr *tb[IFLA_INFO_MAX + 1];
	char name[32];

	if (!info)
		return;
	rtnl_nested(info, tb, IFLA_INFO_MAX);
	jo_open(&r->out, "linkinfo", '{');
	jo_text_attr(r, "info_kind", tb[IFLA_INFO_KIND]);
	if (tb[IFLA_INFO_KIND])
		print_data(r, "info_data", kinds, ARRAY_LEN(kinds), rtnl_text(tb[IFLA_INFO_KIND], name, sizeof(name)), tb[IFLA_INFO_DATA]);
	jo_text_attr(r, "info_slave_kind", tb[IFLA_INFO_SLAVE_KIND]);
	if (tb[IFLA_INFO_SLAVE_KIND])
		print_data(r, "info_slave_data", port_kinds, ARRAY_LEN(port_kinds), rtnl_text(tb[IFLA_INFO_SLAVE_KIND], name, sizeof(name)),
			   tb[IFLA_INFO_SLAVE_DATA]);
	jo_close(&r->out, '}');
}
