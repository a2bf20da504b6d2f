/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor rbac: the rights that svcdoctor needs, as objects for kubectl apply. It asks no cluster. */
#include <errno.h>

#include <svcdoctor/source.h>

#include "cmd.h"

static const struct opt options[] = {
	{ 'n', "namespace", "NAME", "a Role for this namespace instead of a ClusterRole for all", OPT_TEXT,
	  offsetof(struct options, namespace_), 0, NULL, COMPLETE_NAMESPACE },
	{ 0, "user", "NAME", "bind the roles to this user (several times)", OPT_LIST, offsetof(struct options, users), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "group", "NAME", "bind them to this group (several times)", OPT_LIST, offsetof(struct options, groups), 0, NULL,
	  COMPLETE_NOTHING },
	{ 0, "serviceaccount", "NAMESPACE:NAME", "bind them to this service account (several times)", OPT_LIST,
	  offsetof(struct options, accounts), 0, NULL, COMPLETE_NOTHING },
	{ 0, "proxy", NULL, "also what asks kubelets and pods through the API server", OPT_FLAG, offsetof(struct options, proxy), 0,
	  NULL, COMPLETE_NOTHING },
	{ 'o', "output", "FORMAT", "the form of the objects", OPT_CHOICE, offsetof(struct options, format), 0, choices_roles,
	  COMPLETE_NOTHING },
	OPT_ROW_OUTPUT_FILE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

/* Users and groups are called as people like; what no terminal may see is in none of these names. */
static bool is_clean(const char *name)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&b, name);
	return *name && strcmp(strbuf_str(&b), name) == 0;
}

static int add_names(struct context *c, const struct string_list *names, enum k8s_subject_kind kind, struct k8s_subject *v,
		     size_t *n)
{
	for (size_t i = 0; i < names->len; i++) {
		if (!is_clean(names->v[i])) {
			return usage_error(c, "'%s' is no name of a %s", names->v[i], kind == SUBJECT_USER ? "user" : "group");
		}
		v[(*n)++] = (struct k8s_subject){ .kind = kind, .name = names->v[i] };
	}
	return 0;
}

/* As kubectl takes it: NAMESPACE:NAME. */
static int add_accounts(struct context *c, struct k8s_subject *v, size_t *n)
{
	for (size_t i = 0; i < c->o.accounts.len; i++) {
		const char *text = c->o.accounts.v[i], *colon = strchr(text, ':');
		char *ns = colon ? arena_strndup(&c->arena, text, (size_t)(colon - text)) : NULL;
		if (colon && !ns) {
			return -ENOMEM;
		}
		if (!colon || !is_k8s_name(ns) || !is_k8s_name(colon + 1)) {
			return usage_error(c, "--serviceaccount wants NAMESPACE:NAME, not '%s'", text);
		}
		v[(*n)++] = (struct k8s_subject){ SUBJECT_SERVICE_ACCOUNT, ns, colon + 1 };
	}
	return 0;
}

static int run(struct context *c)
{
	struct k8s_subject *subjects =
		arena_array(&c->arena, struct k8s_subject, c->o.users.len + c->o.groups.len + c->o.accounts.len + 1);
	struct k8s_roles roles;
	size_t n = 0;
	if (!subjects) {
		return -ENOMEM;
	}
	if (c->o.namespace_ && (!is_k8s_name(c->o.namespace_) || strchr(c->o.namespace_, '.'))) {
		return usage_error(c, "'%s' is no name of a namespace", c->o.namespace_);
	}
	int r = add_names(c, &c->o.users, SUBJECT_USER, subjects, &n);
	r = r ? r : add_names(c, &c->o.groups, SUBJECT_GROUP, subjects, &n);
	r = r ? r : add_accounts(c, subjects, &n);
	r = r ? r : rights_roles(&c->arena, c->o.namespace_, c->o.proxy, &roles);
	return r ? r : report_roles(&c->report, roles.v, roles.len, subjects, n);
}

const struct command command_rbac = {
	.name = "rbac",
	.arguments = "",
	.help = "prints the rights that svcdoctor needs, for kubectl apply",
	.options = options,
	.run = run,
};
