/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolv.conf: all that the file says. */

#include <svcdoctor/names.h>

void resolv_conf_release(struct resolv_conf *c)
{
	array_free(&c->servers);
	array_free(&c->searches);
	array_free(&c->options);
	*c = (struct resolv_conf){ 0 };
}
