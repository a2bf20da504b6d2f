/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib/source/rights.c: every kind that is read has its right, once, and nothing else has one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <svcdoctor/source.h>

static const struct k8s_right *find(const struct k8s_role *role, const char *group, const char *resource)
{
	const struct k8s_right *found = NULL;

	for (size_t i = 0; i < role->nrights; i++) {
		if (strcmp(role->rights[i].group, group) == 0 && strcmp(role->rights[i].resource, resource) == 0) {
			assert_null(found);
			found = &role->rights[i];
		}
	}
	return found;
}

static const struct k8s_right *find_anywhere(const struct k8s_roles *roles, const char *group, const char *resource, const char *ns)
{
	for (size_t i = 0; i < roles->len; i++) {
		const char *at = roles->v[i].ns;
		const struct k8s_right *r = (ns ? str_is(at, ns) : !at) ? find(&roles->v[i], group, resource) : NULL;

		if (r)
			return r;
	}
	return NULL;
}

static void check_all(const struct k8s_roles *roles)
{
	for (size_t i = 0; i < roles->len; i++) {
		assert_true(roles->v[i].nrights > 0);
		for (size_t k = 0; k < roles->v[i].nrights; k++) {
			const struct k8s_right *r = &roles->v[i].rights[k];

			assert_true(r->get || r->list);
			assert_true(r->why && *r->why);
			assert_null(strstr(r->resource, "secret"));
			assert_null(strchr(r->resource, '*'));
			if (strcmp(r->resource, "configmaps") == 0)
				assert_true(r->names && !r->list);
		}
	}
}

static void of_the_cluster(void **state)
{
	struct arena arena = { 0 };
	struct k8s_roles roles;

	(void)state;
	assert_int_equal(rights_roles(&arena, NULL, false, &roles), 0);
	check_all(&roles);
	for (size_t k = 0; k < K8S_KINDS; k++) {
		const struct k8s_resource *r = k8s_resource((enum k8s_kind)k);

		assert_non_null(find_anywhere(&roles, r->group, r->plural, k == K8S_CONFIGMAPS ? "kube-system" : NULL));
	}
	assert_non_null(find_anywhere(&roles, "", "pods/log", "kube-system"));
	assert_null(find_anywhere(&roles, "", "nodes/proxy", NULL));
	arena_release(&arena);
}

static void of_a_namespace(void **state)
{
	struct arena arena = { 0 };
	struct k8s_roles roles;

	(void)state;
	assert_int_equal(rights_roles(&arena, "shop", false, &roles), 0);
	check_all(&roles);
	assert_string_equal(roles.v[0].ns, "shop");
	assert_false(roles.v[0].optional);
	for (size_t k = 0; k < K8S_KINDS; k++) {
		const struct k8s_resource *r = k8s_resource((enum k8s_kind)k);

		if (k != K8S_CONFIGMAPS)
			assert_non_null(find_anywhere(&roles, r->group, r->plural, r->namespaced ? "shop" : NULL));
	}
	for (size_t i = 1; i < roles.len; i++)
		assert_true(roles.v[i].optional);
	arena_release(&arena);
}

static void with_proxy(void **state)
{
	struct arena arena = { 0 };
	struct k8s_roles roles;

	(void)state;
	assert_int_equal(rights_roles(&arena, "kube-system", true, &roles), 0);
	check_all(&roles);
	assert_non_null(find(&roles.v[0], "", "pods/proxy"));
	assert_non_null(find(&roles.v[0], "", "pods/log"));
	assert_non_null(find_anywhere(&roles, "", "nodes/proxy", NULL));
	assert_int_equal(roles.len, 3);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_the_cluster),
		cmocka_unit_test(of_a_namespace),
		cmocka_unit_test(with_proxy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
