/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of kube-proxy's chains, and of the kinds of frontends. A chain's name is its prefix
 * and the first 16 characters of the base32 text (RFC 4648) of a SHA-256, as portProtoHash and
 * servicePortEndpointChainName in pkg/proxy/iptables/proxier.go make it; in nftables mode the first
 * 8 characters, and the name itself behind them (hashAndTruncate in pkg/proxy/nftables/proxier.go).
 * The only file that uses libmd.
 */

#include <sha256.h>

#include "expect-private.h"

#define HASH_CHARS 16
#define NFT_HASH_CHARS 8
#define NFT_BASE_MAX 240 /* of the 256 that nftables has for a name: 16 are left to the prefix */

static void hash_str(SHA256_CTX *ctx, const char *s)
{
	SHA256_Update(ctx, (const uint8_t *)s, strlen(s));
}

static void hash_service_port(SHA256_CTX *ctx, const char *ns, const char *name, const char *port_name,
			      uint8_t proto)
{
	SHA256_Init(ctx);
	hash_str(ctx, ns);
	hash_str(ctx, "/");
	hash_str(ctx, name);
	if (port_name && port_name[0]) {
		hash_str(ctx, ":");
		hash_str(ctx, port_name);
	}
	hash_str(ctx, proto_name(proto));
}

/*
 * The first @len characters of a digest's base32 text: five bits a character, highest first. 16 of them hold the first ten
 * bytes.
 */
static void base32(const uint8_t *digest, size_t len, char *ret)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	for (size_t i = 0; i < len; i++) {
		size_t bit = i * 5;
		unsigned pair = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];
		ret[i] = alphabet[pair >> (11 - bit % 8) & 31];
	}
}

static void finish_name(SHA256_CTX *ctx, const char *prefix, char *ret)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_Final(digest, ctx);

	size_t len = MIN(strlen(prefix), (size_t)EXPECT_CHAIN_MAX - HASH_CHARS - 1);
	memcpy(ret, prefix, len);
	base32(digest, HASH_CHARS, ret + len);
	ret[len + HASH_CHARS] = '\0';
}

void expect_chain_name(const char *prefix, const char *ns, const char *name, const char *port_name,
		       uint8_t proto, char ret[static EXPECT_CHAIN_MAX])
{
	SHA256_CTX ctx;
	hash_service_port(&ctx, ns, name, port_name, proto);
	finish_name(&ctx, prefix, ret);
}

void expect_sep_name(const char *ns, const char *name, const char *port_name, uint8_t proto,
		     const struct ip_addr *addr, uint16_t port, char ret[static EXPECT_CHAIN_MAX])
{
	char endpoint[IP_ENDPOINT_STRLEN];
	SHA256_CTX ctx;
	hash_service_port(&ctx, ns, name, port_name, proto);
	hash_str(&ctx, ip_endpoint_format(addr, port, endpoint));
	finish_name(&ctx, "KUBE-SEP-", ret);
}

/* A name of nftables mode while it is put together: hashed as a whole, kept as far as there is room. */
struct nft_name {
	SHA256_CTX ctx;
	char text[NFT_BASE_MAX + 1];
	size_t len; /* of the whole name */
};

static void nft_name_add(struct nft_name *n, const char *s)
{
	size_t len = strlen(s);
	if (n->len < NFT_BASE_MAX) {
		memcpy(n->text + n->len, s, MIN(len, NFT_BASE_MAX - n->len));
	}
	n->len += len;
	hash_str(&n->ctx, s);
}

static void nft_name_start(struct nft_name *n, const char *ns, const char *name, const char *port_name,
			   uint8_t proto)
{
	SHA256_Init(&n->ctx);
	n->len = 0;
	nft_name_add(n, ns);
	nft_name_add(n, "/");
	nft_name_add(n, name);
	nft_name_add(n, "/");
	nft_name_add(n, proto_name(proto));
	nft_name_add(n, "/");
	nft_name_add(n, port_name ? port_name : "");
}

/* hashAndTruncate: what is too long ends in three points. */
static void nft_name_finish(struct nft_name *n, const char *prefix, char *ret)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char hash[NFT_HASH_CHARS];
	SHA256_Final(digest, &n->ctx);
	base32(digest, NFT_HASH_CHARS, hash);

	bool cut = NFT_HASH_CHARS + 1 + n->len > NFT_BASE_MAX;
	size_t keep = cut ? NFT_BASE_MAX - 3 - NFT_HASH_CHARS - 1 : n->len;
	(void)snprintf(ret, EXPECT_NFT_NAME_MAX, "%.*s%.*s-%.*s%s", EXPECT_NFT_NAME_MAX - NFT_BASE_MAX - 1, prefix,
		       NFT_HASH_CHARS, hash, (int)keep, n->text, cut ? "..." : "");
}

void expect_nft_name(const char *prefix, const char *ns, const char *name, const char *port_name, uint8_t proto,
		     char ret[static EXPECT_NFT_NAME_MAX])
{
	struct nft_name n;
	nft_name_start(&n, ns, name, port_name, proto);
	nft_name_finish(&n, prefix, ret);
}

void expect_nft_endpoint_name(const char *prefix, const char *ns, const char *name, const char *port_name,
			      uint8_t proto, const struct ip_addr *addr, uint16_t port,
			      char ret[static EXPECT_NFT_NAME_MAX])
{
	char a[IP_ADDR_STRLEN], number[8];
	struct nft_name n;
	ip_addr_format(addr, a);
	for (char *c = strchr(a, ':'); c; c = strchr(c, ':')) {
		*c = '.';
	}
	(void)snprintf(number, sizeof(number), "/%u", port);
	nft_name_start(&n, ns, name, port_name, proto);
	nft_name_add(&n, "__");
	nft_name_add(&n, a);
	nft_name_add(&n, number);
	nft_name_finish(&n, prefix, ret);
}

const char *expect_kind_name(enum expect_kind k)
{
	switch (k) {
	case EXPECT_CLUSTER_IP:
		return "cluster IP";
	case EXPECT_EXTERNAL_IP:
		return "external IP";
	case EXPECT_LOAD_BALANCER:
		return "load-balancer IP";
	case EXPECT_NODE_PORT:
		return "node port";
	case EXPECT_HEALTH_CHECK:
		return "health-check node port";
	}
	return "frontend";
}
