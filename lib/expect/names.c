/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of kube-proxy's chains, and of the kinds of frontends. A chain's name is its prefix
 * and the first 16 characters of the base32 text (RFC 4648) of a SHA-256, as portProtoHash and
 * servicePortEndpointChainName in pkg/proxy/iptables/proxier.go make it. The only file that uses
 * libmd.
 */

#include <sha256.h>

#include "expect-private.h"

#define HASH_CHARS 16

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

/* 16 characters hold 80 bits: the first ten bytes of the digest, five bits a character, highest first. */
static void finish_name(SHA256_CTX *ctx, const char *prefix, char *ret)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_Final(digest, ctx);

	size_t len = MIN(strlen(prefix), (size_t)EXPECT_CHAIN_MAX - HASH_CHARS - 1);
	memcpy(ret, prefix, len);
	for (size_t i = 0; i < HASH_CHARS; i++) {
		size_t bit = i * 5;
		unsigned pair = (unsigned)digest[bit / 8] << 8 | digest[bit / 8 + 1];
		ret[len + i] = alphabet[pair >> (11 - bit % 8) & 31];
	}
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
