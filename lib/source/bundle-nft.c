/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `nft -j list ruleset` holds, without reading the rules: the tables that iptables-nft keeps in nftables
 * are shown by iptables-nft-save too and need not be read twice; anything else that acts on packets is not.
 */

#include <errno.h>
#include <jansson.h>

#include "bundle-private.h"

static bool is_xtables_table(const char *name)
{
	static const char *const names[] = { "raw", "mangle", "nat", "filter", "security" };

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * A rule acts, and so does a chain that drops what no rule takes; a chain without either, as in an unused
 * default, does not.
 */
static bool acts(const json_t *rule, const json_t *chain)
{
	const char *policy = json_str(chain, "policy");

	return rule || (policy && strcmp(policy, "accept") != 0);
}

static int on_object(void *arg, struct json_t *item, const char *kind, const char *api_version, uint32_t line)
{
	struct nft_contents *c = arg;
	const json_t *rule = json_obj(item, "rule"), *chain = json_obj(item, "chain"),
		     *o = rule ? rule : chain;
	const char *family = json_str(o, "family");
	const char *table = json_str(o, "table");
	bool ip4 = family && strcmp(family, "ip") == 0, ip6 = family && strcmp(family, "ip6") == 0;

	(void)kind;
	(void)api_version;
	(void)line;
	if (!o)
		return 0;
	/* pkg/proxy/nftables/proxier.go: kubeProxyTable */
	c->proxy_rules[ip6] += rule && (ip4 || ip6) && table && strcmp(table, "kube-proxy") == 0;
	if ((ip4 || ip6) && is_xtables_table(table))
		c->xtables[ip6] = true;
	else if (acts(rule, chain))
		c->other = true;
	return 0;
}

int nft_read_contents(const char *data, size_t size, const char *file, struct sd_notes *notes,
		      struct nft_contents *ret)
{
	struct nft_contents c = { 0 };
	size_t before = notes->len + notes->dropped;
	ssize_t n;

	/* Some versions print nothing for an empty ruleset. */
	if (size == 0) {
		*ret = c;
		return 0;
	}
	n = json_each_of(data, size, file, notes, "nftables", on_object, &c);
	if (n < 0)
		return (int)n;
	c.damaged = notes->len + notes->dropped != before;
	*ret = c;
	return 0;
}
