/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_KERNEL_H
#define SVCDOCTOR_KERNEL_H

/*
 * What the kernel of this machine says of one network namespace, without the help of another program. Each function gives the text that an
 * ordinary command prints (the files of a bundle), so that whoever reads a bundle reads a live node too, and what was collected loads as it is.
 *
 * Reading changes nothing: no table is created, no module is loaded, and no message is sent but GET, DUMP and ipset's PROTOCOL, LIST and SAVE.
 * What would need that is asked of /proc and /sys first. All of it speaks of the network namespace of the calling thread (kernel_netns_enter).
 */

#include <svcdoctor/base.h>

enum kernel_state {
	KERNEL_READ,	/* text holds it; "" means that there is nothing */
	KERNEL_ABSENT,	/* the kernel does not have it, or nobody has used it in this namespace: nothing is there. text is "" */
	KERNEL_DENIED,	/* a capability is missing: lacks names it */
	KERNEL_CHANGED, /* it changed during every reading */
	KERNEL_FAILED,	/* why tells */
};
struct kernel_text {
	enum kernel_state state;
	struct strbuf text;
	const char *lacks; /* "CAP_NET_ADMIN", constant; NULL: nothing, or it cannot be told */
	char why[160];	   /* in words, of ABSENT, CHANGED and FAILED; of READ: what in it is not whole, else "" */
	bool partial;	   /* READ, and something of it could not be shown: why tells */
};
/* All functions fill @ret, which is zeroed by the caller and released by kernel_text_release. They return 0, or -ENOMEM (also in @ret). */
void kernel_text_release(struct kernel_text *t);

/* ---- rules ---- */

/* `iptables-legacy-save`, `ip6tables-legacy-save`, without counters. Tables that /proc/net/ip_tables_names does not list are not opened. */
int kernel_xtables_legacy(bool ip6, struct kernel_text *ret);
/*
 * All of nf_tables, of one generation: `iptables-nft-save` and `ip6tables-nft-save` (without counters), and `nft -j list ruleset` of what these
 * do not show: native tables, and tables of iptables' names with a rule that iptables cannot show, of which the text then has
 * "# Table `filter' is incompatible, use 'nft' tool." Each of the three is KERNEL_READ or none is. @ret_json may be NULL, or the other two.
 */
int kernel_nft(struct kernel_text *ret_save4, struct kernel_text *ret_save6, struct kernel_text *ret_json);
int kernel_ipset(struct kernel_text *ret);   /* `ipset save` */
int kernel_ipvs(struct kernel_text *ret);    /* `ipvsadm -Sn` */
int kernel_ipvs_ln(struct kernel_text *ret); /* `ipvsadm -ln` */
/* Both of one reading, which then say the same of everything but connections, that only the second has. Either may be NULL. */
int kernel_ipvs_both(struct kernel_text *ret_save, struct kernel_text *ret_list);
int kernel_ipvs_timeouts(struct kernel_text *ret); /* `ipvsadm -l --timeout` */

/* ---- addresses, links, routes ---- */

int kernel_ip_addr(struct kernel_text *ret);	/* `ip -j addr` */
int kernel_ip_link(struct kernel_text *ret);	/* `ip -j -d link` */
int kernel_ip_route(struct kernel_text *ret);	/* `ip -j route show table all` and the same of IPv6, one array */
int kernel_ip_rule(struct kernel_text *ret);	/* `ip -j rule` and the same of IPv6, one array */
int kernel_ip_neigh(struct kernel_text *ret);	/* `ip -j neigh` */
int kernel_bridge_fdb(struct kernel_text *ret); /* `bridge -j fdb show` */

/* ---- /proc, /sys ---- */

int kernel_sysctl(struct kernel_text *ret);	     /* `sysctl -a`, of net.* and what else readers of sysctl.txt know */
int kernel_conntrack_stats(struct kernel_text *ret); /* `conntrack -S`, from /proc/net/stat/nf_conntrack */
/*
 * `conntrack -L -o extended`. Not of one moment: connections come and go while it is read. Beyond 16 MiB of text only those that are translated,
 * or of UDP or SCTP, up to 64 MiB; then it is partial.
 */
int kernel_conntrack(struct kernel_text *ret);
int kernel_sockets(struct kernel_text *ret);	     /* `ss -lntu`, from /proc/net/tcp and its like */
int kernel_modules(struct kernel_text *ret);	     /* `lsmod` */
int kernel_uname(struct kernel_text *ret);	     /* `uname -a` */
/* `dmesg --time-format=iso`: the end of the machine's log, at most 1 MiB. Whoever may not read it gets KERNEL_ABSENT. */
int kernel_log(struct kernel_text *ret);
int kernel_counters(struct kernel_text *ret);	     /* `nstat -asz`, from /proc/net/netstat, snmp and snmp6 */
int kernel_neigh_stats(struct kernel_text *ret);     /* /proc/net/stat/arp_cache and ndisc_cache, each with its name before it, as `head` prints several files */
/* `stat -c '%d %i %n' /run/xtables.lock`, /proc/locks, and `ps -o pid=,comm=` of those who hold that lock. */
int kernel_locks(struct kernel_text *ret);
int kernel_recent(struct kernel_text *ret);	     /* `grep -H . .../xt_recent/parameters/ip_list_tot`, and `wc -l` of each list in /proc/net/xt_recent */
int kernel_offloads(struct kernel_text *ret);	     /* `ethtool -k` of each vxlan and geneve link */

/* ---- where, and with which rights ---- */

/*
 * Goes over into another network namespace: @netns a path or a name of `ip netns`, or @pid a process (0: none). To be called before there is
 * a second thread; everything that is opened later speaks of it. /sys stays the old one. 0; -errno, @why says what failed and, for -EPERM,
 * @ret_lacks which capability is missing; SD_EUSAGE: this is no network namespace.
 */
int kernel_netns_enter(const char *netns, pid_t pid, char why[static 160], const char **ret_lacks);
/* Drops every capability of this process for good, bounding set included where that is allowed; the user id stays. 0 or -errno. */
int kernel_drop_capabilities(void);
/* The effective capability of this thread? By its name in linux/capability.h: CAP_NET_ADMIN, ... */
bool kernel_has_capability(int capability);

#endif
