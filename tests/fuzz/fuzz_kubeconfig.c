/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a kubeconfig, what its servers are, and any bytes as the answer of an exec plugin. No file that it names is opened. */

#include <svcdoctor/api.h>

#include "lib/api/kubeconfig-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_servers(struct arena *arena, const struct kubeconfig *k)
{
	for (size_t i = 0; i < k->entries[KC_CLUSTERS].len; i++) {
		const struct kc_cluster *c = k->entries[KC_CLUSTERS].v[i];
		struct server_url url;
		const char *why;
		int64_t ms;

		(void)server_parse(arena, c->server, &url, &why);
		(void)proxy_url_ok(c->proxy_url);
		(void)parse_timeout(c->server, &ms);
		(void)pem_has(&c->ca_data, "CERTIFICATE");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct api_exec plugin = { .command = "plugin", .api_version = "client.authentication.k8s.io/v1" };
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct sd_notes notes CLEANUP(sd_notes_release) = { 0 };
	struct kubeconfig k CLEANUP(kubeconfig_release) = { .current = "" };
	struct strbuf why CLEANUP(strbuf_release) = STRBUF_INIT;
	struct exec_answer answer;

	if (kubeconfig_decode(&arena, (const char *)data, size, "config", "/folder", &notes, &k) == 0)
		try_servers(&arena, &k);
	(void)exec_read_answer(&arena, &plugin, (const char *)data, size, &answer, &why);
	return 0;
}
