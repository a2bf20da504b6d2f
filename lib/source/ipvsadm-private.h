/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IPVSADM_PRIVATE_H
#define IPVSADM_PRIVATE_H

/* The reader of ipvsadm's texts: ipvsadm.c reads one of them, ipvsadm-join.c brings those of one node together. */

#include "xtables-private.h"

enum { IPVS_FORM_SAVE = 1, IPVS_FORM_LIST = 2 }; /* bits of ruleset.server_forms */

/* What one file says. */
struct ipvs_entry {
	struct rs_virtual_server *s;
	ARRAY_OF(struct rs_real_server) real; /* while it is read: they may stand far apart */
	uint32_t next;			      /* in its bucket, from 1 */
};
struct ipvs_list {
	uint8_t form;
	ARRAY_OF(struct ipvs_entry) v;
	uint32_t *buckets;
	uint32_t nbuckets;	 /* a power of two, or 0 */
};
void ipvs_list_release(struct ipvs_list *l);
#define IPVS_NONE UINT32_MAX
/* The position of the one with the same key, or IPVS_NONE. */
uint32_t ipvs_list_find(const struct ipvs_list *l, const struct rs_virtual_server *s);
int ipvs_list_add(struct ipvs_list *l, struct rs_virtual_server *s); /* 0 or -ENOMEM */
/* What @l says becomes, or joins, what @rs has. @ret_twice: a file of this form was there before. 0 or -ENOMEM. */
int ipvs_join(struct ruleset *rs, struct ipvs_list *l, const char *file, struct sd_notes *notes, bool *ret_twice);

#endif
