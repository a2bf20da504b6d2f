/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people call the parts of a ruleset: hooks, fields, statements, backends, and the command that shows a table. */
#include <svcdoctor/ruleset.h>

const char *rs_hook_name(enum rs_hook h)
{
	static const char *const names[HOOK_COUNT] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	return h >= 0 && h < HOOK_COUNT ? names[h] : "-";
}

const char *rs_field_name(enum rs_field f)
{
	static const char *const names[FIELD_COUNT] = {
#define X(name, text) [name] = text,
		RS_FIELDS(X)
#undef X
	};

	return (unsigned)f < FIELD_COUNT ? names[f] : "-";
}

const char *rs_stmt_name(enum rs_stmt_kind k)
{
	static const char *const names[] = {
#define X(name, text) [name] = text,
		RS_STATEMENTS(X)
#undef X
	};

	return (unsigned)k < ARRAY_LEN(names) ? names[k] : "-";
}

const char *rs_backend_name(enum rs_backend b)
{
	return b == BACKEND_LEGACY ? "legacy" : "nft";
}

const char *rs_family_name(enum rs_family f)
{
	return f == RS_IP4 ? "ip" : f == RS_IP6 ? "ip6" : "inet";
}

/* Plain "iptables" is the nft variant wherever both are installed today; the legacy one is named so. */
static const struct {
	const char *table;
	const char *tool[2][2]; /* by backend and family */
} tools[] = {
#define ROW(t)                                                                    \
	{ t,                                                                      \
	  { { "iptables-legacy -t " t, "ip6tables-legacy -t " t },                \
	    { "iptables -t " t, "ip6tables -t " t } } }
	ROW("raw"), ROW("mangle"), ROW("nat"), ROW("filter"), ROW("security"),
#undef ROW
};

const char *table_tool(const struct rs_table *t)
{
	if (!t->xtables)
		return "nft";
	for (size_t i = 0; i < ARRAY_LEN(tools); i++)
		if (strcmp(tools[i].table, t->name) == 0)
			return tools[i].tool[t->backend == BACKEND_NFT][t->family == RS_IP6];
	return t->family == RS_IP6 ? "ip6tables" : "iptables";
}
