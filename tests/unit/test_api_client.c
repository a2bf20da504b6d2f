/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the client of the API decides without a network: what a page says of itself, which 404 it was, how often it is tried, which proxy
 * is taken, which headers impersonate, how paths are written.
 */

#include <errno.h>
#include <setjmp.h>

#include "lib/api/client-private.h"

#include <cmocka.h>

/* ---- pages ---- */

static void expect_page(const char *text, const char *kind, bool items, const char *token)
{
	struct page_head h;

	assert_int_equal(page_head_read(text, strlen(text), &h), 0);
	assert_string_equal(h.kind, kind);
	assert_int_equal(h.items, items);
	if (token)
		assert_string_equal(h.token, token);
	else
		assert_null(h.token);
	page_head_release(&h);
}

static void page_heads(void **state)
{
	(void)state;
	expect_page("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[]}", "PodList", true, NULL);
	expect_page("{\"kind\":\"PodList\",\"metadata\":{\"continue\":\"abc\",\"remainingItemCount\":5},\"items\":[{}]}", "PodList", true, "abc");
	expect_page("{ \"kind\" : \"PodList\" ,\n \"metadata\" : { } , \"items\" : null }", "PodList", true, NULL);
	/* As custom resources come: in alphabetical order. */
	expect_page("{\"apiVersion\":\"g/v1\",\"items\":[{\"metadata\":{\"continue\":\"no\"},\"kind\":\"X\",\"s\":\"]}\\\"{\"}],\"kind\":\"HTTPRouteList\","
		    "\"metadata\":{\"continue\":\"a\\u003d\\/b\",\"x\":[1,{\"continue\":\"no\"}]}}", "HTTPRouteList", true, "a=/b");
	/* Only the list's own metadata counts, and a name that looks like it is another one. */
	expect_page("{\"x\":{\"metadata\":{\"continue\":\"no\"}},\"Metadata\":{\"continue\":\"no\"},\"kind\":\"PodList\",\"items\":[]}", "PodList", true, NULL);
	expect_page("{\"kind\":\"PodList\",\"metadata\":{\"continue\":\"\"},\"items\":[]}", "PodList", true, NULL);
	expect_page("{\"kind\":\"PodList\",\"metadata\":{\"continue\":5},\"items\":[]}", "PodList", true, NULL);
	expect_page("{\"kind\":\"Status\",\"metadata\":{},\"status\":\"Failure\",\"code\":410}", "Status", false, NULL);
	expect_page("{\"kind\":\"PodList\",\"metadata\":{},\"items\":{}}", "PodList", false, NULL);
	expect_page("{}", "", false, NULL);
	/* What stands behind the head of a list is its reader's affair. */
	expect_page("{\"kind\":\"PodList\",\"metadata\":{\"continue\":\"abc\"},\"items\":[{\"a\":", "PodList", true, "abc");
}

static void damaged_pages(void **state)
{
	static const char *const texts[] = {
		"", " ", "x", "[]", "{", "{\"kind\"", "{\"kind\":", "{\"kind\":\"PodList\"", "{\"kind\":\"PodList\",", "{\"kind\":\"PodList}",
		"{\"kind\":\"PodList\\", "{\"metadata\":{\"continue\":\"a", "{\"metadata\":{\"continue\":\"a\"", "{\"metadata\":{\"continue\":\"\\q\"}}",
		"{\"items\":[{]", "{\"items\":[1,2", "{kind:1}", "{\"kind\":}", "{\"a\":1 \"b\":2}", "{\"metadata\":{\"continue\":\"a\"],\"items\":[]}",
	};
	struct page_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(page_head_read(texts[i], strlen(texts[i]), &h), SD_EPARSE);
}

static void long_tokens(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct page_head h;

	(void)state;
	strbuf_adds(&b, "{\"kind\":\"PodList\",\"metadata\":{\"continue\":\"");
	for (size_t i = 0; i <= CONTINUE_MAX; i++)
		strbuf_addc(&b, 'a');
	strbuf_adds(&b, "\"},\"items\":[]}");
	assert_int_equal(page_head_read(b.s, b.len, &h), SD_ELIMIT);
}

static void kinds(void **state)
{
	static const char *const good[][2] = {
		{ "ServiceList", "services" }, { "EndpointsList", "endpoints" }, { "EndpointSliceList", "endpointslices" },
		{ "NetworkPolicyList", "networkpolicies" }, { "IngressList", "ingresses" }, { "ServiceCIDRList", "servicecidrs" },
		{ "GatewayClassList", "gatewayclasses" }, { "HTTPRouteList", "httproutes" }, { "GatewayList", "gateways" },
		{ "PartialObjectMetadataList", "namespaces" },
	};
	static const char *const bad[][2] = { { "ConfigMapList", "services" }, { "List", "services" }, { "ServiceCIDRList", "services" }, { "PodList", "" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(page_kind_fits(good[i][0], good[i][1]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(page_kind_fits(bad[i][0], bad[i][1]));
}

/* ---- errors of the server ---- */

#define STATUS(rest) "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\"," rest "}"

static void which_404(void **state)
{
	static const struct {
		const char *body;
		bool behind;
		enum api_outcome outcome;
	} rows[] = {
		{ STATUS("\"message\":\"services \\\"a\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"a\",\"kind\":\"services\"},\"code\":404"),
		  false, API_NOT_FOUND },
		{ STATUS("\"message\":\"the server could not find the requested resource\",\"reason\":\"NotFound\",\"details\":{},\"code\":404"), false,
		  API_NO_KIND },
		{ "404 page not found\n", false, API_NO_KIND },
		{ "404 page not found\n", true, API_NOT_FOUND }, /* of a kubelet */
		{ "<html>", false, API_NO_KIND },
		{ "", false, API_NO_KIND },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct status_text s;

		status_read(rows[i].body, strlen(rows[i].body), &s);
		assert_int_equal(status_not_found(&s, rows[i].behind), rows[i].outcome);
	}
}

static void expect_message(const char *body, const char *message)
{
	struct status_text s;

	status_read(body, strlen(body), &s);
	assert_string_equal(s.message, message);
}

static void messages(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	struct status_text s;

	(void)state;
	expect_message(STATUS("\"message\":\"a\\u001b[31m\\nb.\""), "a?[31m b");
	expect_message("upstream connect error\nmore", "upstream connect error");
	expect_message("<html><body>no</body></html>", "");
	expect_message("{\"kind\":\"Other\",\"message\":\"x\"}", "");
	expect_message("", "");
	strbuf_adds(&b, "{\"kind\":\"Status\",\"message\":\"");
	for (int i = 0; i < 1000; i++)
		strbuf_adds(&b, "\xc3\xa9"); /* two bytes: none is cut in half */
	strbuf_adds(&b, "\"}");
	status_read(b.s, b.len, &s);
	assert_true(strlen(s.message) < 320 && str_ends(s.message, "\xc3\xa9..."));
}

/* ---- tries ---- */

/* How often an answer of this kind is asked for in all. */
static unsigned tries(struct wire_answer a, bool behind)
{
	struct retry r = { .random = 1 };

	for (;;) {
		int64_t ms;

		r.tries++;
		r.refused += a.end == WIRE_REFUSED;
		ms = retry_pause_ms(&r, &a, behind);
		if (ms < 0)
			return r.tries;
		assert_true(ms >= 100 && ms <= 30000);
	}
}

static unsigned tries_of_status(long status)
{
	return tries((struct wire_answer){ .end = WIRE_ANSWER, .status = status, .retry_after_ms = -1 }, false);
}

static void how_often(void **state)
{
	static const long once[] = { 200, 201, 301, 400, 401, 403, 404, 405, 409, 410, 422, 501 };
	static const long again[] = { 429, 500, 502, 503, 504 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(once); i++)
		assert_int_equal(tries_of_status(once[i]), 1);
	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		assert_int_equal(tries_of_status(again[i]), 4);
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_BROKEN }, false), 4);
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_REFUSED }, false), 3);
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_NO_NAME }, false), 1);
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_CONNECT_LATE }, false), 1);
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_UNTRUSTED }, false), 1);
	/* A kubelet that is not there: the API server has tried for long enough. */
	assert_int_equal(tries((struct wire_answer){ .end = WIRE_ANSWER, .status = 500, .retry_after_ms = -1 }, true), 1);
}

static void how_late(void **state)
{
	struct wire_answer a = { .end = WIRE_ANSWER, .status = 429, .retry_after_ms = 7000 };
	struct retry r = { .tries = 1, .random = 1 };
	int64_t ms, before = 0;

	(void)state;
	assert_true(retry_pause_ms(&r, &a, false) == 7000);
	a.retry_after_ms = 3600 * 1000;
	assert_true(retry_pause_ms(&r, &a, false) == 30000);
	a.retry_after_ms = -1;
	for (r.tries = 1; r.tries < 4; r.tries++) {
		ms = retry_pause_ms(&r, &a, false);
		assert_true(ms >= 100 << (r.tries - 1) && ms <= 200 << (r.tries - 1));
		assert_true(ms != before);
		before = ms;
	}
}

static void retry_after(void **state)
{
	(void)state;
	assert_true(retry_after_parse("3", 0) == 3000);
	assert_true(retry_after_parse("0", 0) == 0);
	assert_true(retry_after_parse("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 5) == 5000);
	assert_true(retry_after_parse("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 5) == 0);
	assert_true(retry_after_parse("-3", 0) == -1);
	assert_true(retry_after_parse("soon", 0) == -1);
	assert_true(retry_after_parse("", 0) == -1);
	assert_true(retry_after_parse("99999999999999999999", 0) == -1);
}

/* ---- addresses and proxies ---- */

static void urls(void **state)
{
	static const char *const bad[] = { "", "10.0.0.1:6443", "ftp://a", "https://", "https://:6443", "https://a:0", "https://a:70000", "https://a:x",
					   "https://[::1", "https://[::1]x", "https://u:p@a" };
	struct server_url u;

	(void)state;
	assert_int_equal(server_url_parse("https://10.0.0.1:6443/k8s/c-1", &u), 0);
	assert_true(u.tls && u.port == 6443 && u.port_said);
	assert_string_equal(u.host, "10.0.0.1");
	assert_string_equal(u.rest, "/k8s/c-1");
	assert_int_equal(server_url_parse("https://[fd00::1]", &u), 0);
	assert_true(u.port == 443 && !u.port_said);
	assert_string_equal(u.host, "fd00::1");
	assert_int_equal(server_url_parse("http://localhost:8001", &u), 0);
	assert_true(!u.tls && u.port == 8001);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(server_url_parse(bad[i], &u), SD_EPARSE);
}

/* Rows as in Go's golang.org/x/net/http/httpproxy: what stands in NO_PROXY, and whether the proxy is taken nevertheless. */
static void no_proxy(void **state)
{
	static const struct {
		const char *server, *no;
		bool proxied;
	} rows[] = {
		{ "https://k8s.example.com:6443", NULL, true },
		{ "https://k8s.example.com:6443", "", true },
		{ "https://k8s.example.com:6443", "*", false },
		{ "https://k8s.example.com:6443", "example.com", false },
		{ "https://k8s.example.com:6443", "other, EXAMPLE.com ", false },
		{ "https://k8s.example.com:6443", ".example.com", false },
		{ "https://k8s.example.com:6443", "*.example.com", false },
		{ "https://k8s.example.com:6443", "ample.com", true },
		{ "https://k8s.example.com:6443", "k8s.example.com", false },
		{ "https://k8s.example.com:6443", ".k8s.example.com", true },
		{ "https://k8s.example.com:6443", "k8s.example.com:6443", false },
		{ "https://k8s.example.com:6443", "k8s.example.com:443", true },
		{ "https://k8s.example.com", "k8s.example.com:443", false },
		{ "https://10.1.2.3:6443", "10.0.0.0/8", false },
		{ "https://10.1.2.3:6443", "10.2.0.0/16", true },
		{ "https://10.1.2.3:6443", "10.1.2.3", false },
		{ "https://10.1.2.3:6443", "10.1.2.3:6443", false },
		{ "https://10.1.2.3:6443", "10.1.2.3:443", true },
		{ "https://10.1.2.3:6443", "1.2.3", true },
		{ "https://[fd00::5]:6443", "fd00::/8", false },
		{ "https://[fd00::5]:6443", "fd00::5", false },
		{ "https://[fd00::5]:6443", "[fd00::5]:6443", false },
		{ "https://127.0.0.1:6443", NULL, false },
		{ "https://127.9.0.1:6443", NULL, false },
		{ "https://[::1]:6443", NULL, false },
		{ "https://localhost:6443", NULL, false },
		{ "http://k8s.example.com", NULL, false }, /* HTTPS_PROXY is not for it */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
		struct server_url u;

		assert_int_equal(server_url_parse(rows[i].server, &u), 0);
		proxy_of_environment(&u, "http://proxy:3128", NULL, rows[i].no, &b);
		if ((b.len > 0) != rows[i].proxied)
			fail_msg("%s with NO_PROXY=%s", rows[i].server, rows[i].no ? rows[i].no : "(none)");
	}
}

static void expect_proxy(const char *url, const char *want)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	proxy_for_curl(url, &b);
	assert_string_equal(strbuf_str(&b), want);
}

static void expect_shown(const char *url, const char *want)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	url_without_secret(url, &b);
	assert_string_equal(strbuf_str(&b), want);
}

static void proxies(void **state)
{
	(void)state;
	expect_proxy("proxy:3128", "http://proxy:3128");
	expect_proxy("https://proxy", "https://proxy");
	expect_proxy("socks5://proxy:1080", "socks5h://proxy:1080");
	expect_shown("http://u:p@proxy:3128/", "http://proxy:3128/");
	expect_shown("http://u:p@ss@proxy", "http://proxy");
	expect_shown("http://proxy/a@b", "http://proxy/a@b");
}

/* ---- headers and paths ---- */

static int add_line(void *arg, const char *line)
{
	strbuf_addf(arg, "%s|", line);
	return 0;
}

static void impersonation(void **state)
{
	static const char *const groups[] = { "dev", "ops" };
	static const struct api_exec_env extra[] = { { "scopes", "view" }, { "scopes", "edit" }, { "Acme.com/Project", "a b" }, { "100%", "x" } };
	struct api_access a = { .as = "jane", .as_uid = "7", .as_groups = groups, .nas_groups = 2, .as_extra = extra, .nas_extra = 4 };
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	(void)state;
	assert_int_equal(impersonation_headers(&a, add_line, &b), 0);
	assert_string_equal(b.s, "Impersonate-User: jane|Impersonate-Uid: 7|Impersonate-Group: dev|Impersonate-Group: ops|Impersonate-Extra-scopes: view|"
				 "Impersonate-Extra-scopes: edit|Impersonate-Extra-Acme.com%2FProject: a b|Impersonate-Extra-100%25: x|");
	a.as = "jane\r\nAuthorization: x";
	assert_int_equal(impersonation_headers(&a, add_line, &b), SD_EUSAGE);
}

static void paths(void **state)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	(void)state;
	strbuf_adds(&b, "/api/v1/namespaces");
	api_path_add(&b, "a/b?c#d%");
	api_path_add(&b, "..");
	api_query_add(&b, "labelSelector", "a=b,c in (d)");
	api_query_add(&b, "limit", "5");
	assert_string_equal(b.s, "/api/v1/namespaces/a%2Fb%3Fc%23d%25/%2E%2E?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
}

/* ---- certificates ---- */

/* Made by openssl: a certificate that ends on 2026-11-19 04:05:06 UTC. */
static const char certificate[] =
	"text before\n"
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBBjCBrAIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARqYW5lMB4XDTI2MDEw\n"
	"MTAwMDAwMFoXDTI2MTExOTA0MDUwNlowDzENMAsGA1UEAwwEamFuZTBZMBMGByqG\n"
	"SM49AgEGCCqGSM49AwEHA0IABFDDkzeI05CvM4qTT9+vK8Xe1KDdu3IF42RexEq0\n"
	"xi/BRVUmhtwXoptyRxNeiyKB8kFRRivd1rli2h2tj/b8S1AwCgYIKoZIzj0EAwID\n"
	"SQAwRgIhANz9lS+LVu6eFb5rlWmihZtLLuWivgrtPqCPU9bHIzMjAiEAtGVt3NWT\n"
	"U52PuLV7f0Yrt7NhH2FJarJEeN6IPjjyqx8=\n"
	"-----END CERTIFICATE-----\n";

static void not_after(void **state)
{
	struct api_pem pem = { .data = certificate, .size = strlen(certificate) };
	int64_t t = 0;

	(void)state;
	assert_true(cert_not_after(&pem, &t));
	assert_true(t == 1795061106);
	for (pem.size = 0; pem.size < strlen(certificate); pem.size++)
		(void)cert_not_after(&pem, &t);
	pem.data = NULL;
	assert_false(cert_not_after(&pem, &t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_heads),  cmocka_unit_test(damaged_pages), cmocka_unit_test(long_tokens),	 cmocka_unit_test(kinds),
		cmocka_unit_test(which_404),   cmocka_unit_test(messages),	cmocka_unit_test(how_often),	 cmocka_unit_test(how_late),
		cmocka_unit_test(retry_after), cmocka_unit_test(urls),		cmocka_unit_test(no_proxy),	 cmocka_unit_test(proxies),
		cmocka_unit_test(paths),       cmocka_unit_test(impersonation), cmocka_unit_test(not_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
