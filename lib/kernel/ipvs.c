/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_ipvs and its like: asks IPVS over generic netlink for its virtual servers, and for the servers of each, until two readings agree
 * (but for connections, which come and go). Asking generic netlink for a family that is not there would load the module: /proc tells first.
 */
#include <errno.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <unistd.h>

#include "ipvs-private.h"

#define ANSWER_MS 30000
#define SERVICES_MAX 200000u
#define DESTS_MAX 2000000u

struct asker {
	struct nl_sock *socket;
	struct nl_cb *cb;
	int family;
	/* of the question that is asked */
	int (*take)(struct asker *a, struct nlattr **attrs);
	struct ipvs_reading *reading;
	uint32_t service_family; /* of a server without one: Linux before 3.18 */
	bool done, changed;
	int error;
	bool has_config;
	uint32_t config[3]; /* seconds: tcp, tcpfin, udp */
};

static void asker_release(struct asker *a)
{
	if (a->cb)
		nl_cb_put(a->cb);
	if (a->socket)
		nl_socket_free(a->socket);
}

/* libnl has numbers of its own. */
static int errno_of(int nl)
{
	switch (nl < 0 ? -nl : nl) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_OPNOTSUPP:
	case NLE_AF_NOSUPPORT:
		return -EOPNOTSUPP;
	default:
		return -EPROTO;
	}
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct asker *a = arg;
	struct nlattr *attrs[IPVS_CMD_ATTR_MAX + 1];

	a->error = genlmsg_parse(nlmsg_hdr(msg), 0, attrs, IPVS_CMD_ATTR_MAX, NULL) < 0 ? -EBADMSG : a->take(a, attrs);
	return a->error < 0 ? NL_STOP : NL_OK;
}

static int on_done(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct asker *)arg)->done = true;
	return NL_STOP;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	(void)msg;
	((struct asker *)arg)->changed = true;
	return NL_OK;
}

static int on_error(struct sockaddr_nl *who, struct nlmsgerr *e, void *arg)
{
	(void)who;
	((struct asker *)arg)->error = e->error < 0 ? e->error : -EPROTO;
	return NL_STOP;
}

static int asker_open(struct asker *a)
{
	int r;

	a->socket = nl_socket_alloc();
	a->cb = nl_cb_alloc(NL_CB_CUSTOM);
	if (!a->socket || !a->cb)
		return -ENOMEM;
	nl_socket_disable_auto_ack(a->socket);
	if (nl_cb_set(a->cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, a) < 0 || nl_cb_set(a->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, a) < 0 ||
	    nl_cb_set(a->cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, a) < 0 || nl_cb_err(a->cb, NL_CB_CUSTOM, on_error, a) < 0)
		return -EINVAL;
	r = genl_connect(a->socket);
	if (r < 0)
		return errno_of(r);
	a->family = genl_ctrl_resolve(a->socket, IPVS_GENL_NAME);
	return a->family < 0 ? errno_of(a->family) : 0;
}

static int receive(struct asker *a, bool dump)
{
	struct pollfd p = { .fd = nl_socket_get_fd(a->socket), .events = POLLIN };

	a->done = false;
	a->error = 0;
	do {
		int r = poll(&p, 1, ANSWER_MS);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r == 0 ? -ETIMEDOUT : -errno;
		r = nl_recvmsgs(a->socket, a->cb);
		if (a->error < 0)
			return a->error;
		if (r < 0)
			return errno_of(r);
	} while (dump && !a->done);
	return 0;
}

/* ---- what comes ---- */

static const struct nla_policy service_policy[IPVS_SVC_ATTR_MAX + 1] = {
	[IPVS_SVC_ATTR_AF] = { .type = NLA_U16 },	  [IPVS_SVC_ATTR_PROTOCOL] = { .type = NLA_U16 },
	[IPVS_SVC_ATTR_ADDR] = { .minlen = 4 },		  [IPVS_SVC_ATTR_PORT] = { .type = NLA_U16 },
	[IPVS_SVC_ATTR_FWMARK] = { .type = NLA_U32 },	  [IPVS_SVC_ATTR_SCHED_NAME] = { .type = NLA_STRING },
	[IPVS_SVC_ATTR_FLAGS] = { .minlen = sizeof(struct ip_vs_flags) }, [IPVS_SVC_ATTR_TIMEOUT] = { .type = NLA_U32 },
	[IPVS_SVC_ATTR_NETMASK] = { .type = NLA_U32 },	  [IPVS_SVC_ATTR_PE_NAME] = { .type = NLA_STRING },
};
static const struct nla_policy dest_policy[IPVS_DEST_ATTR_MAX + 1] = {
	[IPVS_DEST_ATTR_ADDR] = { .minlen = 4 },	   [IPVS_DEST_ATTR_PORT] = { .type = NLA_U16 },
	[IPVS_DEST_ATTR_FWD_METHOD] = { .type = NLA_U32 }, [IPVS_DEST_ATTR_WEIGHT] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_U_THRESH] = { .type = NLA_U32 },   [IPVS_DEST_ATTR_L_THRESH] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_ACTIVE_CONNS] = { .type = NLA_U32 }, [IPVS_DEST_ATTR_INACT_CONNS] = { .type = NLA_U32 },
	[IPVS_DEST_ATTR_ADDR_FAMILY] = { .type = NLA_U16 }, [IPVS_DEST_ATTR_TUN_TYPE] = { .type = NLA_U8 },
	[IPVS_DEST_ATTR_TUN_PORT] = { .type = NLA_U16 },   [IPVS_DEST_ATTR_TUN_FLAGS] = { .type = NLA_U16 },
};

static bool take_addr(uint8_t ret[16], uint32_t family, struct nlattr *a)
{
	size_t size = family == AF_INET ? 4 : 16;

	if ((family != AF_INET && family != AF_INET6) || !a || (size_t)nla_len(a) < size)
		return false;
	memcpy(ret, nla_data(a), size);
	return true;
}

/* Nothing in it ends a word or a line. */
static void take_name(char *ret, size_t size, struct nlattr *a)
{
	if (a)
		(void)nla_strlcpy(ret, a, size);
	for (; *ret; ret++)
		if ((unsigned char)*ret <= ' ' || *ret == 0x7f)
			*ret = '?';
}

static uint32_t u32_or_0(struct nlattr *a)
{
	return a ? nla_get_u32(a) : 0;
}

static uint16_t u16_or_0(struct nlattr *a)
{
	return a ? nla_get_u16(a) : 0;
}

static bool fill_service(struct ipvs_service *s, struct nlattr **t)
{
	struct ip_vs_flags flags;
	uint32_t mask = u32_or_0(t[IPVS_SVC_ATTR_NETMASK]);

	if (!t[IPVS_SVC_ATTR_AF] || !t[IPVS_SVC_ATTR_FLAGS] || !t[IPVS_SVC_ATTR_SCHED_NAME])
		return false;
	s->family = nla_get_u16(t[IPVS_SVC_ATTR_AF]);
	s->fwmark = u32_or_0(t[IPVS_SVC_ATTR_FWMARK]);
	memcpy(&flags, nla_data(t[IPVS_SVC_ATTR_FLAGS]), sizeof(flags));
	s->flags = flags.flags & ~(uint32_t)IP_VS_SVC_F_HASHED;
	s->timeout = u32_or_0(t[IPVS_SVC_ATTR_TIMEOUT]);
	take_name(s->scheduler, sizeof(s->scheduler), t[IPVS_SVC_ATTR_SCHED_NAME]);
	take_name(s->engine, sizeof(s->engine), t[IPVS_SVC_ATTR_PE_NAME]);
	if (s->family == AF_INET)
		memcpy(s->netmask, &mask, sizeof(s->netmask));
	else
		s->prefix = mask;
	if (s->fwmark)
		return s->family == AF_INET || s->family == AF_INET6;
	s->proto = u16_or_0(t[IPVS_SVC_ATTR_PROTOCOL]);
	s->port = ntohs(u16_or_0(t[IPVS_SVC_ATTR_PORT]));
	return (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP || s->proto == IPPROTO_SCTP) &&
	       take_addr(s->addr, s->family, t[IPVS_SVC_ATTR_ADDR]);
}

static int take_service(struct asker *a, struct nlattr **attrs)
{
	struct nlattr *t[IPVS_SVC_ATTR_MAX + 1];
	struct ipvs_service s;

	memset(&s, 0, sizeof(s));
	if (!attrs[IPVS_CMD_ATTR_SERVICE] || nla_parse_nested(t, IPVS_SVC_ATTR_MAX, attrs[IPVS_CMD_ATTR_SERVICE], service_policy) < 0 ||
	    !fill_service(&s, t))
		return -EBADMSG;
	return a->reading->services.len >= SERVICES_MAX ? -EFBIG : array_push(&a->reading->services, s);
}

static int take_dest(struct asker *a, struct nlattr **attrs)
{
	struct nlattr *t[IPVS_DEST_ATTR_MAX + 1];
	struct ipvs_dest d;

	memset(&d, 0, sizeof(d));
	if (!attrs[IPVS_CMD_ATTR_DEST] || nla_parse_nested(t, IPVS_DEST_ATTR_MAX, attrs[IPVS_CMD_ATTR_DEST], dest_policy) < 0)
		return -EBADMSG;
	d.family = t[IPVS_DEST_ATTR_ADDR_FAMILY] ? nla_get_u16(t[IPVS_DEST_ATTR_ADDR_FAMILY]) : a->service_family;
	if (!take_addr(d.addr, d.family, t[IPVS_DEST_ATTR_ADDR]) || !t[IPVS_DEST_ATTR_FWD_METHOD] || !t[IPVS_DEST_ATTR_WEIGHT])
		return -EBADMSG;
	d.port = ntohs(u16_or_0(t[IPVS_DEST_ATTR_PORT]));
	d.method = nla_get_u32(t[IPVS_DEST_ATTR_FWD_METHOD]);
	d.weight = (int32_t)nla_get_u32(t[IPVS_DEST_ATTR_WEIGHT]);
	d.upper = u32_or_0(t[IPVS_DEST_ATTR_U_THRESH]);
	d.lower = u32_or_0(t[IPVS_DEST_ATTR_L_THRESH]);
	d.active = u32_or_0(t[IPVS_DEST_ATTR_ACTIVE_CONNS]);
	d.inactive = u32_or_0(t[IPVS_DEST_ATTR_INACT_CONNS]);
	d.tunnel = t[IPVS_DEST_ATTR_TUN_TYPE] ? nla_get_u8(t[IPVS_DEST_ATTR_TUN_TYPE]) : 0;
	d.tunnel_port = ntohs(u16_or_0(t[IPVS_DEST_ATTR_TUN_PORT]));
	d.tunnel_flags = u16_or_0(t[IPVS_DEST_ATTR_TUN_FLAGS]);
	return a->reading->dests.len >= DESTS_MAX ? -EFBIG : array_push(&a->reading->dests, d);
}

/* Here the numbers are those of IPVS_INFO_ATTR_*. */
static int take_info(struct asker *a, struct nlattr **attrs)
{
	struct nlattr *version = attrs[IPVS_INFO_ATTR_VERSION], *size = attrs[IPVS_INFO_ATTR_CONN_TAB_SIZE];

	if (!version || !size || nla_len(version) < 4 || nla_len(size) < 4)
		return -EBADMSG;
	a->reading->version = nla_get_u32(version);
	a->reading->table_size = nla_get_u32(size);
	return 0;
}

/* ---- what is asked ---- */

/* As the kernel's ip_vs_genl_parse_service wants it: which virtual server. */
static bool put_service(struct nl_msg *msg, const struct ipvs_service *s)
{
	struct nlattr *nest = nla_nest_start(msg, IPVS_CMD_ATTR_SERVICE);

	if (!nest || nla_put_u16(msg, IPVS_SVC_ATTR_AF, (uint16_t)s->family) < 0)
		return false;
	if (s->fwmark) {
		if (nla_put_u32(msg, IPVS_SVC_ATTR_FWMARK, s->fwmark) < 0)
			return false;
	} else if (nla_put_u16(msg, IPVS_SVC_ATTR_PROTOCOL, s->proto) < 0 || nla_put(msg, IPVS_SVC_ATTR_ADDR, sizeof(s->addr), s->addr) < 0 ||
		   nla_put_u16(msg, IPVS_SVC_ATTR_PORT, htons(s->port)) < 0) {
		return false;
	}
	return nla_nest_end(msg, nest) >= 0;
}

static int ask(struct asker *a, uint8_t command, const struct ipvs_service *of, int (*take)(struct asker *, struct nlattr **))
{
	struct nl_msg *msg = nlmsg_alloc();
	const bool dump = command != IPVS_CMD_GET_INFO && command != IPVS_CMD_GET_CONFIG;
	int r;

	a->take = take;
	if (!msg)
		return -ENOMEM;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, a->family, 0, dump ? NLM_F_DUMP : 0, command, IPVS_GENL_VERSION) ||
	    (of && !put_service(msg, of))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = nl_send_auto(a->socket, msg);
	nlmsg_free(msg);
	return r < 0 ? errno_of(r) : receive(a, dump);
}

static int read_once(struct asker *a, struct ipvs_reading *ret)
{
	int r;

	a->reading = ret;
	r = ask(a, IPVS_CMD_GET_INFO, NULL, take_info);
	if (r == 0)
		r = ask(a, IPVS_CMD_GET_SERVICE, NULL, take_service);
	for (size_t i = 0; r == 0 && i < ret->services.len; i++) {
		const uint32_t first = (uint32_t)ret->dests.len;

		a->service_family = ret->services.v[i].family;
		r = ask(a, IPVS_CMD_GET_DEST, &ret->services.v[i], take_dest);
		ret->services.v[i].first = first;
		ret->services.v[i].ndests = (uint32_t)ret->dests.len - first;
	}
	if (r == 0)
		ipvs_sort(ret);
	return r;
}

/* 0 with @ret, 1: it changed all the time, or negative. */
static int read_twice(struct asker *a, struct ipvs_reading *ret)
{
	CLEANUP(ipvs_reading_release) struct ipvs_reading before = { 0 };
	bool has_before = false;

	for (unsigned i = 0; i < KERNEL_READINGS_MAX; i++) {
		CLEANUP(ipvs_reading_release) struct ipvs_reading now = { 0 };
		int r;

		kernel_wait_before(i);
		a->changed = false;
		r = read_once(a, &now);
		if (r < 0)
			return r;
		if (has_before && !a->changed && ipvs_same(&before, &now)) {
			*ret = now;
			now = (struct ipvs_reading){ 0 };
			return 0;
		}
		ipvs_reading_release(&before);
		has_before = !a->changed;
		before = now;
		now = (struct ipvs_reading){ 0 };
	}
	return 1;
}

/* ---- texts ---- */

static int end_save(struct kernel_text *t, struct ipvs_reading *r)
{
	ipvs_print_save(&t->text, r);
	t->partial = r->odd > 0;
	if (r->odd)
		return kernel_text_end(t, KERNEL_READ, "%zu servers have a method, tunnel or weight that is not known", r->odd);
	return kernel_text_end(t, KERNEL_READ, "%s", "");
}

static int end_list(struct kernel_text *t, const struct ipvs_reading *r)
{
	ipvs_print_list(&t->text, r);
	return kernel_text_end(t, KERNEL_READ, "%s", "");
}

/* The same for both. */
static int end_both(struct kernel_text *const texts[2], int r)
{
	int res = 0;

	for (size_t i = 0; i < 2; i++) {
		int one = 0;

		if (!texts[i])
			continue;
		if (r > 0)
			one = kernel_text_end(texts[i], KERNEL_CHANGED, "IPVS changed during each of %u readings", KERNEL_READINGS_MAX);
		else if (r == -ENODEV)
			one = kernel_text_end(texts[i], KERNEL_ABSENT, "ip_vs is not loaded");
		else
			one = kernel_text_errno(texts[i], r, "CAP_NET_ADMIN", "reading IPVS");
		res = one < 0 ? one : res;
	}
	return res;
}

/* One file in each network namespace, as long as ip_vs is loaded. */
static int ipvs_is_here(void)
{
	if (access("/proc/thread-self/net/ip_vs", F_OK) == 0)
		return 0;
	return errno == ENOENT ? -ENODEV : -errno;
}

int kernel_ipvs_both(struct kernel_text *ret_save, struct kernel_text *ret_list)
{
	CLEANUP(ipvs_reading_release) struct ipvs_reading reading = { 0 };
	CLEANUP(asker_release) struct asker a = { 0 };
	struct kernel_text *const texts[] = { ret_save, ret_list };
	int r = 0;

	r = ipvs_is_here();
	r = r < 0 ? r : asker_open(&a);
	r = r < 0 ? r : read_twice(&a, &reading);
	if (r != 0)
		return end_both(texts, r);
	if (ret_save)
		r = end_save(ret_save, &reading);
	if (ret_list && end_list(ret_list, &reading) < 0)
		r = -ENOMEM;
	return r;
}

int kernel_ipvs(struct kernel_text *ret)
{
	return kernel_ipvs_both(ret, NULL);
}

int kernel_ipvs_ln(struct kernel_text *ret)
{
	return kernel_ipvs_both(NULL, ret);
}

/* ---- time-outs ---- */

static int take_config(struct asker *a, struct nlattr **t)
{
	a->config[0] = u32_or_0(t[IPVS_CMD_ATTR_TIMEOUT_TCP]);
	a->config[1] = u32_or_0(t[IPVS_CMD_ATTR_TIMEOUT_TCP_FIN]);
	a->config[2] = u32_or_0(t[IPVS_CMD_ATTR_TIMEOUT_UDP]);
	a->has_config = t[IPVS_CMD_ATTR_TIMEOUT_TCP] && t[IPVS_CMD_ATTR_TIMEOUT_TCP_FIN] && t[IPVS_CMD_ATTR_TIMEOUT_UDP];
	return 0;
}

int kernel_ipvs_timeouts(struct kernel_text *ret)
{
	CLEANUP(asker_release) struct asker a = { 0 };
	int r = ipvs_is_here();

	r = r < 0 ? r : asker_open(&a);
	r = r < 0 ? r : ask(&a, IPVS_CMD_GET_CONFIG, NULL, take_config);
	if (r == -ENODEV)
		return kernel_text_end(ret, KERNEL_ABSENT, "ip_vs is not loaded");
	if (r < 0)
		return kernel_text_errno(ret, r, "CAP_NET_ADMIN", "reading IPVS");
	if (!a.has_config) /* a kernel without one of the protocols */
		return kernel_text_end(ret, KERNEL_ABSENT, "IPVS does not tell its time-outs");
	strbuf_addf(&ret->text, "Timeout (tcp tcpfin udp): %u %u %u\n", a.config[0], a.config[1], a.config[2]);
	return kernel_text_end(ret, KERNEL_READ, "%s", "");
}
