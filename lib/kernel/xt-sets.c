/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of ipsets. A rule holds the index of its set; the name is asked for with getsockopt SO_IP_SET, as iptables does it
 * (extensions/libxt_set.h; net/netfilter/ipset/ip_set_core.c, ip_set_sockfn_get). The socket is one for datagrams, so that CAP_NET_ADMIN is enough.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "xt-private.h"

#include <linux/netfilter/ipset/ip_set.h>

struct set_name {
	char name[IPSET_MAXNAMELEN];
	bool known;
};
struct xt_sets {
	int fd; /* -1: not opened yet, -2: nobody to ask */
	unsigned version;
	ARRAY_OF(struct set_name *) all; /* by their index, NULL: not asked for */
	bool failed;			 /* out of memory */
};

struct xt_sets *xt_sets_new(void)
{
	struct xt_sets *s = calloc(1, sizeof(*s));

	if (s)
		s->fd = -1;
	return s;
}

void xt_sets_free(struct xt_sets *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	for (size_t i = 0; i < s->all.len; i++)
		free(s->all.v[i]);
	array_free(&s->all);
	free(s);
}

void xt_sets_freep(struct xt_sets **s)
{
	xt_sets_free(*s);
	*s = NULL;
}

static bool open_socket(struct xt_sets *s)
{
	struct ip_set_req_version req = { .op = IP_SET_OP_VERSION };
	socklen_t size = sizeof(req);
	int fd;

	if (s->fd != -1)
		return s->fd >= 0;
	s->fd = -2;
	if (!kernel_module_is_here("ip_set"))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (getsockopt(fd, SOL_IP, SO_IP_SET, &req, &size) < 0 || size != sizeof(req)) {
		(void)close(fd);
		return false;
	}
	s->version = req.version;
	s->fd = fd;
	return true;
}

static bool ask(struct xt_sets *s, uint16_t index, char name[static IPSET_MAXNAMELEN])
{
	struct ip_set_req_get_set req = { .op = IP_SET_OP_GET_BYINDEX, .version = s->version, .set.index = index };
	socklen_t size = sizeof(req);

	if (!open_socket(s))
		return false;
	req.version = s->version;
	if (getsockopt(s->fd, SOL_IP, SO_IP_SET, &req, &size) < 0 || size != sizeof(req))
		return false;
	memcpy(name, req.set.name, IPSET_MAXNAMELEN);
	name[IPSET_MAXNAMELEN - 1] = '\0';
	return *name != '\0';
}

static struct set_name *new_name(struct xt_sets *s, uint16_t index)
{
	struct set_name *n;

	while (s->all.len <= index)
		if (array_push(&s->all, (struct set_name *)NULL) < 0)
			return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->known = ask(s, index, n->name);
	s->all.v[index] = n;
	return n;
}

const char *xt_set_name(struct xt_sets *s, uint16_t index)
{
	struct set_name *n;

	if (!s)
		return NULL;
	n = index < s->all.len && s->all.v[index] ? s->all.v[index] : new_name(s, index);
	if (!n)
		s->failed = true;
	return n && n->known ? n->name : NULL;
}

int xt_sets_same(struct xt_sets *s)
{
	if (s && s->failed)
		return -ENOMEM;
	for (size_t i = 0; s && i < s->all.len; i++) {
		const struct set_name *n = s->all.v[i];
		char name[IPSET_MAXNAMELEN];
		bool known;

		if (!n)
			continue;
		known = ask(s, (uint16_t)i, name);
		if (known != n->known || (known && strcmp(name, n->name) != 0))
			return 0;
	}
	return 1;
}
