/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of packets and their fields, by nft's names: src/proto.c of nftables; RFC 791, 8200, 9293, 768, 9260, 4340, 792, 4443. */

#include "nft-json-private.h"

static const struct {
	const char *name;
	uint8_t number; /* of the protocol in IP */
} protos[P_COUNT] = {
	[P_NONE] = { "unknown", 0 }, [P_IP] = { "ip", 0 }, [P_IP6] = { "ip6", 0 }, [P_TCP] = { "tcp", IPPROTO_TCP }, [P_UDP] = { "udp", IPPROTO_UDP },
	[P_UDPLITE] = { "udplite", IPPROTO_UDPLITE }, [P_SCTP] = { "sctp", IPPROTO_SCTP }, [P_DCCP] = { "dccp", IPPROTO_DCCP },
	[P_ICMP] = { "icmp", IPPROTO_ICMP }, [P_ICMP6] = { "icmpv6", IPPROTO_ICMPV6 }, [P_IGMP] = { "igmp", IPPROTO_IGMP },
	[P_ESP] = { "esp", IPPROTO_ESP }, [P_AH] = { "ah", IPPROTO_AH }, [P_COMP] = { "comp", IPPROTO_COMP }, [P_TH] = { "th", 0 },
	[P_ETHER] = { "ether", 0 }, [P_VLAN] = { "vlan", 0 }, [P_ARP] = { "arp", 0 },
};

static const struct nft_field fields[] = {
	{ P_IP, "version", 0, 4, DT_INTEGER, false }, { P_IP, "hdrlength", 4, 4, DT_INTEGER, false }, { P_IP, "dscp", 8, 6, DT_DSCP, false },
	{ P_IP, "ecn", 14, 2, DT_ECN, false }, { P_IP, "length", 16, 16, DT_INTEGER, false }, { P_IP, "id", 32, 16, DT_INTEGER, false },
	{ P_IP, "frag-off", 48, 16, DT_INTEGER, false }, { P_IP, "ttl", 64, 8, DT_INTEGER, false },
	{ P_IP, "protocol", 72, 8, DT_INET_PROTOCOL, true }, { P_IP, "checksum", 80, 16, DT_INTEGER, false },
	{ P_IP, "saddr", 96, 32, DT_IPADDR, false }, { P_IP, "daddr", 128, 32, DT_IPADDR, false },

	{ P_IP6, "version", 0, 4, DT_INTEGER, false }, { P_IP6, "dscp", 4, 6, DT_DSCP, false }, { P_IP6, "ecn", 10, 2, DT_ECN, false },
	{ P_IP6, "flowlabel", 12, 20, DT_INTEGER, false }, { P_IP6, "length", 32, 16, DT_INTEGER, false },
	{ P_IP6, "nexthdr", 48, 8, DT_INET_PROTOCOL, true }, { P_IP6, "hoplimit", 56, 8, DT_INTEGER, false },
	{ P_IP6, "saddr", 64, 128, DT_IP6ADDR, false }, { P_IP6, "daddr", 192, 128, DT_IP6ADDR, false },

	{ P_TCP, "sport", 0, 16, DT_INET_SERVICE, false }, { P_TCP, "dport", 16, 16, DT_INET_SERVICE, false },
	{ P_TCP, "sequence", 32, 32, DT_INTEGER, false }, { P_TCP, "ackseq", 64, 32, DT_INTEGER, false },
	{ P_TCP, "doff", 96, 4, DT_INTEGER, false }, { P_TCP, "reserved", 100, 4, DT_INTEGER, false },
	{ P_TCP, "flags", 104, 8, DT_TCP_FLAG, false }, { P_TCP, "window", 112, 16, DT_INTEGER, false },
	{ P_TCP, "checksum", 128, 16, DT_INTEGER, false }, { P_TCP, "urgptr", 144, 16, DT_INTEGER, false },

	{ P_UDP, "sport", 0, 16, DT_INET_SERVICE, false }, { P_UDP, "dport", 16, 16, DT_INET_SERVICE, false },
	{ P_UDP, "length", 32, 16, DT_INTEGER, false }, { P_UDP, "checksum", 48, 16, DT_INTEGER, false },
	{ P_UDPLITE, "sport", 0, 16, DT_INET_SERVICE, false }, { P_UDPLITE, "dport", 16, 16, DT_INET_SERVICE, false },
	{ P_UDPLITE, "csumcov", 32, 16, DT_INTEGER, false }, { P_UDPLITE, "checksum", 48, 16, DT_INTEGER, false },
	{ P_SCTP, "sport", 0, 16, DT_INET_SERVICE, false }, { P_SCTP, "dport", 16, 16, DT_INET_SERVICE, false },
	{ P_SCTP, "vtag", 32, 32, DT_INTEGER, false }, { P_SCTP, "checksum", 64, 32, DT_INTEGER, false },
	{ P_DCCP, "sport", 0, 16, DT_INET_SERVICE, false }, { P_DCCP, "dport", 16, 16, DT_INET_SERVICE, false },
	{ P_DCCP, "type", 67, 4, DT_DCCP_PKTTYPE, false },
	{ P_TH, "sport", 0, 16, DT_INET_SERVICE, false }, { P_TH, "dport", 16, 16, DT_INET_SERVICE, false },

	{ P_ICMP, "type", 0, 8, DT_ICMP_TYPE, false }, { P_ICMP, "code", 8, 8, DT_ICMP_CODE, false },
	{ P_ICMP, "checksum", 16, 16, DT_INTEGER, false }, { P_ICMP, "id", 32, 16, DT_INTEGER, false },
	{ P_ICMP, "sequence", 48, 16, DT_INTEGER, false },
	{ P_ICMP6, "type", 0, 8, DT_ICMP6_TYPE, false }, { P_ICMP6, "code", 8, 8, DT_ICMPV6_CODE, false },
	{ P_ICMP6, "checksum", 16, 16, DT_INTEGER, false }, { P_ICMP6, "id", 32, 16, DT_INTEGER, false },
	{ P_ICMP6, "sequence", 48, 16, DT_INTEGER, false },
	{ P_IGMP, "type", 0, 8, DT_IGMP_TYPE, false }, { P_IGMP, "mrt", 8, 8, DT_INTEGER, false },
	{ P_IGMP, "checksum", 16, 16, DT_INTEGER, false }, { P_IGMP, "group", 32, 32, DT_IPADDR, false },

	{ P_ESP, "spi", 0, 32, DT_INTEGER, false }, { P_ESP, "sequence", 32, 32, DT_INTEGER, false },
	{ P_AH, "nexthdr", 0, 8, DT_INET_PROTOCOL, true }, { P_AH, "hdrlength", 8, 8, DT_INTEGER, false },
	{ P_AH, "reserved", 16, 16, DT_INTEGER, false }, { P_AH, "spi", 32, 32, DT_INTEGER, false },
	{ P_AH, "sequence", 64, 32, DT_INTEGER, false },
	{ P_COMP, "nexthdr", 0, 8, DT_INET_PROTOCOL, true }, { P_COMP, "flags", 8, 8, DT_INTEGER, false },
	{ P_COMP, "cpi", 16, 16, DT_INTEGER, false },

	{ P_ETHER, "daddr", 0, 48, DT_ETHERADDR, false }, { P_ETHER, "saddr", 48, 48, DT_ETHERADDR, false },
	{ P_ETHER, "type", 96, 16, DT_ETHERTYPE, true },
	{ P_VLAN, "pcp", 112, 3, DT_INTEGER, false }, { P_VLAN, "dei", 115, 1, DT_INTEGER, false }, { P_VLAN, "id", 116, 12, DT_INTEGER, false },
	{ P_VLAN, "type", 128, 16, DT_ETHERTYPE, true },

	{ P_ARP, "htype", 0, 16, DT_INTEGER, false }, { P_ARP, "ptype", 16, 16, DT_ETHERTYPE, false },
	{ P_ARP, "hlen", 32, 8, DT_INTEGER, false }, { P_ARP, "plen", 40, 8, DT_INTEGER, false },
	{ P_ARP, "operation", 48, 16, DT_ARPOP, false }, { P_ARP, "saddr ether", 64, 48, DT_ETHERADDR, false },
	{ P_ARP, "saddr ip", 112, 32, DT_IPADDR, false }, { P_ARP, "daddr ether", 144, 48, DT_ETHERADDR, false },
	{ P_ARP, "daddr ip", 192, 32, DT_IPADDR, false },
};

const char *nft_proto_name(unsigned proto)
{
	return protos[proto < P_COUNT ? proto : P_NONE].name;
}

enum nft_proto nft_l4proto(uint8_t n)
{
	for (unsigned i = 0; i < P_COUNT; i++)
		if (n && protos[i].number == n)
			return (enum nft_proto)i;
	return P_NONE;
}

enum nft_proto nft_ethertype(uint16_t n)
{
	return n == 0x0800 ? P_IP : n == 0x86dd ? P_IP6 : n == 0x0806 ? P_ARP : P_NONE;
}

enum nft_proto nft_proto_by_nfproto(uint8_t n)
{
	return n == 2 ? P_IP : n == 10 ? P_IP6 : n == 3 ? P_ARP : P_NONE;
}

const struct nft_field *nft_field_at(unsigned proto, unsigned offset, unsigned bits)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].proto == proto && fields[i].offset == offset && (!bits || fields[i].bits == bits))
			return &fields[i];
	return NULL;
}
