/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridge ports and bridge netfilter: which port an address hangs on, and whether a packet that came in by a port may
 * leave by it again.
 *
 * With bridge netfilter a packet is translated while it is being bridged, whatever port it came in by, and when its new
 * destination lies behind the same bridge it stays there as a frame (br_nf_pre_routing_finish, net/bridge/
 * br_netfilter_hooks.c); a bridge does not send a frame out of the port that it came in by unless the port has hairpin
 * mode, and never from one isolated port to another or to itself (should_deliver, net/bridge/br_forward.c). Without bridge netfilter the packet is taken up, routed and sent by the
 * bridge device, where no port is its own.
 */
#include <errno.h>
#include <stdio.h>

#include "nat-private.h"

static const char NO_SYSCTL[] = "no sysctl.txt: whether bridge netfilter is on is not known";
static const char NO_LINKS[] = "no ip-link.json: which interfaces are bridges is not known";
static const char NO_DETAILS[] = "ip-link.json without -d does not say which bridge ports have hairpin mode";

/* br_netfilter's switch or the bridge's own flag: either is enough. Without the module there is neither. */
enum tri nat_bridge_calls(const struct node_facts *f, const struct node_link *l, bool six, const char **ret_why)
{
	const char *all = node_sysctl(f, six ? "net.bridge.bridge-nf-call-ip6tables" : "net.bridge.bridge-nf-call-iptables");
	int own = six ? l->nf_call_ip6tables : l->nf_call_iptables;

	if (!f->sysctl_known) {
		*ret_why = NO_SYSCTL;
		return own == 1 ? TRI_TRUE : TRI_UNKNOWN;
	}
	*ret_why = "br_netfilter is not loaded";
	if (!all)
		return TRI_FALSE;
	if (strcmp(all, "0") != 0 || own == 1)
		return TRI_TRUE;
	*ret_why = own < 0 ? "ip-link.json without -d does not say whether the bridge has nf_call_iptables of its own" :
		six ? "net.bridge.bridge-nf-call-ip6tables = 0" : "net.bridge.bridge-nf-call-iptables = 0";
	return own == 0 ? TRI_FALSE : TRI_UNKNOWN;
}

enum tri nat_bridge_netfilter(const struct walk *w, const struct node_link *l, const char **ret_why)
{
	return nat_bridge_calls(w->node->facts, l, w->family_index, ret_why);
}

struct ports {
	size_t n, with, without;
	const struct node_link *only;
};

static void count_ports(const struct node_facts *f, const struct node_link *bridge, struct ports *ret)
{
	*ret = (struct ports){ 0 };
	for (size_t i = 0; i < f->links.len; i++) {
		const struct node_link *l = &f->links.v[i];

		if (!node_is_port_of(l, bridge))
			continue;
		ret->n++;
		ret->with += l->hairpin == 1;
		ret->without += l->hairpin == 0;
		ret->only = l;
	}
}

/* "va, vb and 3 more" */
static const char *ports_without(struct walk *w, const struct node_link *bridge, size_t n)
{
	const struct node_facts *f = w->node->facts;
	const char *list = NULL;
	size_t named = 0;

	for (size_t i = 0; i < f->links.len && named < 3; i++) {
		const struct node_link *l = &f->links.v[i];

		if (!node_is_port_of(l, bridge) || l->hairpin != 0)
			continue;
		list = list ? arena_printf(&w->out->arena, "%s, %s", list, l->name) : l->name;
		named++;
		if (!list)
			w->error = -ENOMEM;
	}
	return n > named ? arena_printf(&w->out->arena, "%s and %zu more", list ? list : "", n - named) : list;
}

/*
 * A promiscuous bridge once passed such a frame up and it was routed; since 6.9 conntrack is reset for these copies
 * ("skip conntrack input hook for promisc packets"). Stable trees took it in spring 2024; what a distribution's kernel has is
 * not in its number.
 */
enum tri nat_promisc_helps(const char *release)
{
	static const struct {
		unsigned major, minor, last;
	} before[] = { { 4, 19, 307 }, { 5, 4, 269 }, { 5, 10, 210 }, { 5, 15, 149 }, { 6, 1, 79 }, { 6, 6, 18 }, { 6, 7, 6 }, { 6, 8, 0 } };
	unsigned major, minor, patch;
	int n = 0;

	if (!release || sscanf(release, "%5u.%5u%n", &major, &minor, &n) != 2)
		return TRI_UNKNOWN;
	if (major > 6 || (major == 6 && minor >= 9))
		return TRI_FALSE;
	if (sscanf(release + n, ".%5u%n", &patch, &n) != 1 || release[strspn(release, "0123456789.")] != '\0')
		return TRI_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		if (before[i].major == major && before[i].minor == minor)
			return patch <= before[i].last ? TRI_TRUE : TRI_UNKNOWN;
	return TRI_TRUE;
}

static enum tri refused(struct walk *w, const struct node_link *bridge, const char *text, struct port_verdict *ret)
{
	bool promisc = bridge->promisc || bridge->promiscuity > 0;
	enum tri helps = promisc ? nat_promisc_helps(w->node->kernel) : TRI_FALSE;

	ret->text = text;
	if (helps == TRI_FALSE && promisc)
		ret->text = arena_printf(&w->out->arena, "%s (that %s is promiscuous does not help on kernel %s)", text ? text : "",
					 bridge->name, w->node->kernel);
	if (helps == TRI_UNKNOWN)
		ret->text = arena_printf(&w->out->arena, "%s, and whether it helps that %s is promiscuous depends on the kernel, which "
					 "is %s", text ? text : "", bridge->name, w->node->kernel ? w->node->kernel : "not known");
	if (!ret->text)
		w->error = -ENOMEM;
	return helps;
}

/* Nothing else helps then. */
static enum tri isolated(struct walk *w, const struct node_link *bridge, const struct node_link *in, const struct node_link *out,
			 struct port_verdict *ret)
{
	ret->cause = "port-isolation";
	ret->text = in == out ? arena_printf(&w->out->arena, "port %s of bridge %s is isolated, and so nothing leaves by it again", in->name, bridge->name) :
		arena_printf(&w->out->arena, "ports %s and %s of bridge %s are isolated from each other", in->name, out->name, bridge->name);
	if (!ret->text)
		w->error = -ENOMEM;
	return TRI_FALSE;
}

static enum tri one_port(struct walk *w, const struct node_link *bridge, const struct node_link *port, struct port_verdict *ret)
{
	if (port->hairpin == 1)
		return port->isolated ? isolated(w, bridge, port, port, ret) : TRI_TRUE;
	ret->text = NO_DETAILS;
	if (port->hairpin < 0)
		return TRI_UNKNOWN;
	return refused(w, bridge, arena_printf(&w->out->arena, "port %s of bridge %s has hairpin mode off", port->name, bridge->name), ret);
}

/* The port is not known: all ports answer together. */
static enum tri any_port(struct walk *w, const struct node_link *bridge, const struct ports *p, struct port_verdict *ret)
{
	if (p->n && p->with == p->n)
		return TRI_TRUE;
	if (p->n && p->without == p->n)
		return refused(w, bridge, arena_printf(&w->out->arena, "no port of bridge %s has hairpin mode on", bridge->name), ret);
	if (p->with && p->without)
		ret->text = arena_printf(&w->out->arena, "which port of bridge %s it is is not known (ip-neigh.json, bridge-fdb.json), and "
					 "%s %s hairpin mode off", bridge->name, ports_without(w, bridge, p->without),
					 p->without > 1 ? "have" : "has");
	else
		ret->text = p->n ? NO_DETAILS : "ip-link.json shows no port of the bridge";
	return TRI_UNKNOWN;
}

/* May a frame that came from @from be bridged to @to? */
static enum tri may_bridge(struct walk *w, const struct node_link *bridge, const struct nat_ends *ends, struct port_verdict *ret)
{
	const struct node_facts *f = w->node->facts;
	const struct node_link *in = node_bridge_port(f, bridge, &ends->from), *out = node_bridge_port(f, bridge, &ends->to);
	bool one = ip_addr_equal(&ends->from, &ends->to);
	struct ports p;

	if (in && out && in != out)
		return in->isolated && out->isolated ? isolated(w, bridge, in, out, ret) : TRI_TRUE;
	if ((in && out) || (one && (in || out)))
		return one_port(w, bridge, in ? in : out, ret);
	count_ports(f, bridge, &p);
	if (p.n == 1)
		return one_port(w, bridge, p.only, ret);
	/* Two hosts on the bridge have ports of their own; what comes by routers may come by one. */
	if (!one && !ends->routed)
		return TRI_TRUE;
	return any_port(w, bridge, &p, ret);
}

enum tri nat_may_turn_back(struct walk *w, const char *dev, const struct nat_ends *ends, struct port_verdict *ret)
{
	const struct node_facts *f = w->node->facts;
	const struct node_link *bridge;
	const char *why = NULL;
	enum tri bridged, on;

	*ret = (struct port_verdict){ 0 };
	if (!f->links_known) {
		/* Of two hosts only their replies are in question, and there it is asked again. */
		ret->text = NO_LINKS;
		return ip_addr_equal(&ends->from, &ends->to) ? TRI_UNKNOWN : TRI_TRUE;
	}
	bridge = node_link_by_name(f, dev);
	if (!bridge || !node_is_bridge(f, bridge))
		return TRI_TRUE;
	bridged = may_bridge(w, bridge, ends, ret);
	if (bridged == TRI_TRUE)
		return TRI_TRUE;
	on = nat_bridge_netfilter(w, bridge, &why);
	if (on == TRI_FALSE)
		return TRI_TRUE;
	if (on == TRI_UNKNOWN)
		ret->text = why;
	return on == TRI_TRUE ? bridged : TRI_UNKNOWN;
}

enum tri nat_port_turns_back(struct arena *arena, const struct nat_node *node, const struct node_link *bridge, const struct node_link *port,
			     bool six, const char **ret_text)
{
	struct nat_result out = { 0 };
	struct walk w = { .node = node, .out = &out, .family_index = six };
	struct port_verdict v = { 0 };
	const char *why = NULL;
	enum tri on = nat_bridge_calls(node->facts, bridge, six, &why), r = TRI_TRUE;

	if (on != TRI_FALSE)
		r = one_port(&w, bridge, port, &v);
	if (on == TRI_UNKNOWN && r != TRI_TRUE)
		r = TRI_UNKNOWN;
	else
		why = on == TRI_FALSE ? why : v.text;
	*ret_text = why ? arena_strdup(arena, why) : NULL;
	nat_result_release(&out);
	return r;
}
