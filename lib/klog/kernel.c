/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own words, as dmesg and the journal show them: of the parts that Services hang on. Anchors are literal; what the kernel
 * puts before them (a time, the caller) may be there or not.
 */
#include "kube-proxy-private.h"

#define KERNEL(id_, weight_, check_, meaning_, todo_, ...) ROW(LOG_KERNEL, id_, weight_, check_, TOPIC_NONE, meaning_, todo_, __VA_ARGS__)

static const struct log_row rows[] = {
	/* net/netfilter/nf_conntrack_core.c */
	KERNEL("conntrack-table-full", LOG_ERROR, "conntrack-table-full", "the table of connections is full, and packets of new ones are dropped",
	       "sysctl -w net.netfilter.nf_conntrack_max=524288", FORMS(F(NULL, "*nf_conntrack: table full, dropping packet*"))),
	KERNEL("conntrack-expectations-full", LOG_WARNING, NULL, "the table of expected connections is full", NULL,
	       FORMS(F(NULL, "*nf_conntrack: expectation table full*"))),
	KERNEL("conntrack-helper", LOG_HARMLESS, NULL, "helpers of connection tracking are given by rules only, which Services do not need", NULL,
	       FORMS(F(NULL, "*nf_conntrack: default automatic helper assignment has been turned off*"), F(NULL, "*nf_conntrack: automatic helper assignment is deprecated*"))),
	KERNEL("conntrack-loaded", LOG_HARMLESS, NULL, "connection tracking is there", NULL, FORMS(F(NULL, "*nf_conntrack version %n (%# buckets, %# max)"))),
	/* net/core/neighbour.c */
	KERNEL("neighbour-table-full", LOG_ERROR, "arp-cache-overflow", "the table of neighbours is full, and addresses of the network are not found",
	       "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192", FORMS(F(NULL, "*neighbour: %n: neighbor table overflow*"), F(NULL, "*neighbour table overflow*"))),
	/* net/ipv4/route.c, net/ipv4/ip_input.c */
	KERNEL("martian-source", LOG_WARNING, "rp-filter-strict", "a packet came from where its source address is not expected",
	       "sysctl -w net.ipv4.conf.all.rp_filter=2 where replies take another way than requests",
	       FORMS(F(NULL, "*martian source %x from %n, on dev %w"), F(NULL, "*martian source %x from %n, dev %w"))),
	KERNEL("martian-destination", LOG_WARNING, "martian-source", "a packet came for an address that must not be on the wire", NULL,
	       FORMS(F(NULL, "*martian destination %x from %n, dev %w"))),
	KERNEL("martian-header", LOG_HARMLESS, NULL, "the head of the packet that was told before", NULL, FORMS(F(NULL, "*ll header: %d"))),
	/* net/netfilter/ipvs */
	KERNEL("ipvs-no-destination", LOG_WARNING, "no-ready-endpoints", "a connection to a Service of IPVS found no endpoint", NULL,
	       FORMS(F(NULL, "*IPVS: %w: %w %n - no destination available"))),
	KERNEL("ipvs-scheduler-missing", LOG_ERROR, "ipvs-scheduler-missing", "a scheduler of IPVS is missing", "modprobe ip_vs_NAME, with the scheduler's name",
	       FORMS(F(NULL, "*IPVS: Scheduler module ip_vs_%n not found"))),
	KERNEL("ipvs-loaded", LOG_HARMLESS, NULL, "IPVS is there", NULL,
	       FORMS(F(NULL, "*IPVS: Registered protocols (*)"), F(NULL, "*IPVS: Connection hash table configured (*)"), F(NULL, "*IPVS: ipvs loaded*"),
		     F(NULL, "*IPVS: [%n] scheduler registered*"), F(NULL, "*IPVS: Creating netns size=*"))),
	/* net/netfilter/xt_recent.c, x_tables.c, net/ipv4/netfilter */
	KERNEL("xt-recent-limit", LOG_ERROR, "xt-recent-limit", "a rule of session affinity asks for more than xt_recent may keep",
	       "set ip_pkt_list_tot of the module xt_recent higher", FORMS(F(NULL, "*xt_recent: hitcount (%n) is larger than *"))),
	KERNEL("xt-module-missing", LOG_ERROR, "xt-modules-missing", "an extension of iptables is not in this kernel", "load the module xt_NAME on the node",
	       FORMS(F(NULL, "*x_tables: %w: %n.%w %w: kernel module not found*"), F(NULL, "*x_tables: *kernel module not found*"))),
	KERNEL("xt-rule-refused", LOG_ERROR, "iptables-restore-failing", "the kernel refused a rule of iptables", NULL,
	       FORMS(F(NULL, "*x_tables: %w: %n match: invalid %d"), F(NULL, "*x_tables: %w: %n target: invalid %d"), F(NULL, "*x_tables: %w: %n match: only valid for %d"),
		     F(NULL, "*x_tables: %w: %n target: only valid %d"))),
	KERNEL("legacy-iptables-used", LOG_HARMLESS, NULL, "a program uses the older kind of iptables", NULL,
	       FORMS(F(NULL, "*ip_tables: (C) 2000-2006 Netfilter Core Team"), F(NULL, "*Warning: Deprecated Driver is detected: iptables will not be maintained *"))),
	/* net/bridge/br_netfilter_hooks.c, net/bridge, net/core/dev.c */
	KERNEL("bridge-filtering", LOG_HARMLESS, NULL, "rules see traffic of bridges only with br_netfilter, which kube-proxy's node loads", NULL,
	       FORMS(F(NULL, "*bridge: filtering via arp/ip/ip6tables is no longer available by default. Update your scripts to load br_netfilter if you need this*"))),
	KERNEL("promiscuous", LOG_HARMLESS, NULL, "a link takes packets for others, as ports of bridges do", NULL,
	       FORMS(F(NULL, "*device %n entered promiscuous mode"), F(NULL, "*device %n left promiscuous mode"), F(NULL, "*%n: entered promiscuous mode"),
		     F(NULL, "*%n: left promiscuous mode"))),
	/* net/ipv4/tcp_input.c */
	KERNEL("syn-flooding", LOG_HARMLESS, NULL, "many connections came at once to a port of the node, which answers them all the same", NULL,
	       FORMS(F(NULL, "*Possible SYN flooding on port %n. *"))),
	/* mm/oom_kill.c */
	KERNEL("kube-proxy-killed", LOG_ERROR, "kube-proxy-crashloop", "kube-proxy was killed, as memory was short", "raise the memory limit of kube-proxy",
	       FORMS(F(NULL, "*Killed process %n (kube-proxy)*"), F(NULL, "*oom-kill:*task=kube-proxy,pid=%n,*"), F(NULL, "*oom_reaper: reaped process %n (kube-proxy)*"))),
	KERNEL("kube-proxy-asked-memory", LOG_WARNING, NULL, "kube-proxy asked for memory when there was none", NULL, FORMS(F(NULL, "*kube-proxy invoked oom-killer: %d"))),
	KERNEL("kube-proxy-fault", LOG_ERROR, "kube-proxy-crashloop", "kube-proxy broke down", "update kube-proxy",
	       FORMS(F(NULL, "*kube-proxy[%n]: segfault at %d"), F(NULL, "*traps: kube-proxy[%n] %d"))),
	KERNEL("module-refused", LOG_WARNING, NULL, "a module could not be loaded", NULL,
	       FORMS(F(NULL, "*%n: disagrees about version of symbol %x"), F(NULL, "*Loading of module with unavailable key is rejected*"))),
};
TABLE(log_kernel);
