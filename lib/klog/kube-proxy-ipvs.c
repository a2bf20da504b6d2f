/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kube-proxy in IPVS mode: what the kernel must have (supported.go, earlier kernelcheck_linux.go), its calls to it (ipvs_linux.go,
 * proxier.go), and kube-ipvs0 (netlink_linux.go). */
#include "kube-proxy-private.h"

#define MODPROBE "modprobe ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh nf_conntrack"

static const struct log_row rows[] = {
	/* ---- what the kernel must have ---- */
	FINE("builtin-modules-unreadable", NULL, TOPIC_NONE, "it cannot see which modules the kernel has built in, as /lib/modules is not mounted",
	     .flags = ROW_START,
	     FORMS(F("1.14-1.21", "Failed to read file %n with error %d. You can ignore this message when kube-proxy is running inside container without mounting /lib/modules"),
		   F("1.22", "Failed to read builtin modules file. You can ignore this message when kube-proxy is running inside container without mounting /lib/modules"),
		   F("1.23-1.26", "Failed to read builtin modules file, you can ignore this message when kube-proxy is running inside container without mounting /lib/modules"))),
	/* Warnings only: modules that it may not load or see may be there all the same, and what is missing indeed is told behind them. */
	WARN("ipvs-module-unloaded", "ipvs-modules-missing", TOPIC_START, "it could not load a module that IPVS needs, which may be there all the same",
	     MODPROBE, .flags = ROW_START, .name_key = "moduleName",
	     FORMS(F("1.14-1.21", "Failed to load kernel module %n with modprobe. *"), F("1.12-1.21", "Failed to load kernel module %n with modprobe"),
		   F("1.22", "Failed to load kernel module with modprobe. You can ignore this message when kube-proxy is running inside container without mounting /lib/modules"),
		   F("1.22", "Failed to load kernel module with modprobe. "), F("1.22", "Failed to load kernel module with modprobe"),
		   F("1.23-1.26", "Failed to load kernel module with modprobe, you can ignore this message when kube-proxy is running inside container without mounting /lib/modules"),
		   F("1.23-1.26", "Failed to load kernel module with modprobe,"))),
	WARN("modules-unreadable", "ipvs-modules-missing", TOPIC_START, "it cannot see which modules the kernel has", MODPROBE, .flags = ROW_START,
	     FORMS(F("1.17", "Failed to read file /proc/modules with error %d. Kube-proxy requires loadable modules support enabled in the kernel"),
		  F("1.18-1.21", "Failed to read file /proc/modules with error %d. Assuming this is a kernel without loadable modules support enabled"),
		  F("1.22", "Failed to read file /proc/modules. Assuming this is a kernel without loadable modules support enabled"),
		  F("1.23-1.26", "Failed to read file /proc/modules, assuming this is a kernel without loadable modules support enabled"))),
	FINE("ipvs-modules-checked", NULL, TOPIC_NONE, "it looks for the modules that IPVS needs", .flags = ROW_START,
	     FORMS(F("1.12-1.14", "validating the kernel module IPVS required exists in machine or not"))),
	/* Other modes write it too, when they clear what IPVS mode may have left. */
	WARN("ipvs-interface-failed", "ipvs-modules-missing", TOPIC_START, "the kernel's IPVS cannot be reached, which matters in IPVS mode only", MODPROBE,
	     .flags = ROW_START, FORMS(F("1.14-1.36", "IPVS interface can't be initialized"))),
	ERR("ipvs-self-test-failed", "ipvs-scheduler-missing", TOPIC_START, "IPVS, or the scheduler that is configured, is not in this kernel", MODPROBE,
	    .flags = ROW_START, .name_key = "scheduler",
	    FORMS(F("1.27-1.36", "Could not create dummy VS"), F("1.27-1.36", "Dummy VS not created"), F("1.27-1.36", "Could not delete dummy VS"),
		  F("1.27-1.36", "Can't read the ipvs"), F("1.27-1.36", "ipvs.GetVirtualServers"))),
	WARN("ipvs-sysctl-unset", "ipvs-conn-reuse", TOPIC_START, "the kernel is too old for a value that it would set", NULL, .flags = ROW_START,
	     .name_key = "sysctl",
	     FORMS(F("1.20-1.21", "can't set sysctl %n, kernel version must be at least %x"),
		   F("1.23-1.36", "Can't set sysctl, kernel version doesn't satisfy minimum version requirements"))),
	WARN("ipvs-timeouts-unset", "ipvs-tcp-timeout-keepalive", TOPIC_START, "the timeouts of IPVS could not be set", NULL, .flags = ROW_START,
	     FORMS(F("1.18-1.36", "failed to configure IPVS timeouts"))),
	ERR("ipvs-exclude-bad", NULL, TOPIC_START, "a range of excludeCIDRs cannot be read", "correct ipvs.excludeCIDRs in the ConfigMap kube-proxy",
	    .flags = ROW_START, FORMS(F("1.16-1.21", "Error parsing exclude CIDR \"%n\""))),

	/* ---- virtual servers ---- */
	ERR("ipvs-endpoint-failed", "ipvs-modules-missing", TOPIC_SYNC, "the endpoints of a Service could not be written", NULL, .name_key = "servicePortName",
	    FORMS(F("1.12-1.21", "Failed to sync endpoint for service: %n"), F("1.22-1.36", "Failed to sync endpoint for service"))),
	ERR("ipvs-service-failed", "ipvs-modules-missing", TOPIC_SYNC, "the virtual server of a Service could not be written", NULL,
	    .name_key = "servicePortName",
	    FORMS(F("1.12-1.21", "Failed to sync service: %n"), F("1.22-1.36", "Failed to sync service"), F("1.12-1.21", "Failed to add IPVS service \"%n\""),
		  F("1.22-1.36", "Failed to add IPVS service"), F("1.12-1.21", "Failed to update IPVS service, err:%d"),
		  F("1.22-1.36", "Failed to update IPVS service"))),
	ERR("ipvs-read-failed", "ipvs-modules-missing", TOPIC_SYNC, "the kernel's virtual servers could not be read", NULL,
	    FORMS(F("1.12-1.36", "Failed to get IPVS service"), F("1.12-1.36", "Failed to list IPVS destinations"),
		  F("1.12-1.14", "IPVS graceful delete manager failed to get IPVS virtualserver"))),
	ERR("ipvs-destination-failed", "ipvs-modules-missing", TOPIC_SYNC, "an endpoint could not be added, changed or removed in the kernel", NULL,
	    FORMS(F("1.12-1.21", "Failed to add destination: %n"), F("1.12-1.21", "Failed to delete destination: %n"),
		  F("1.22-1.36", "Failed to add destination"), F("1.22-1.36", "Failed to delete destination"), F("1.26-1.36", "Failed to update destination"))),
	ERR("ipvs-delete-failed", "ipvs-modules-missing", TOPIC_SYNC, "a virtual server that is not needed any more could not be removed", NULL,
	    .name_key = "virtualServer", FORMS(F("1.12-1.21", "Failed to delete service %n"), F("1.22-1.36", "Failed to delete service"))),

	/* ---- graceful termination ---- */
	FINE("ipvs-graceful", NULL, TOPIC_NONE, "an endpoint that goes away keeps its connections for a while",
	     FORMS(F("1.14-1.22", "lw: remote out of the list: *"), F("1.14", "Not deleting, RS %w: %# ActiveConn, %# InactiveConn"),
		   F("1.14", "Deleting rs: *"), F("1.14", "Trying to delete rs: *"),
		   F("1.23-1.36", "Removed real server from graceful delete real server list"))),
	FINE("ipvs-graceful-failed", NULL, TOPIC_NONE, "an endpoint that goes away was not removed yet; it is tried again every minute",
	     FORMS(F("1.14-1.36", "Try flush graceful termination list err"), F("1.23-1.36", "Try flush graceful termination list error"),
		   F("1.14", "IPVS graceful delete manager failed to get %w realserver"), F("1.14-1.21", "Failed to delete endpoint: %w in gracefulDeleteQueue"),
		   F("1.22-1.36", "Failed to delete endpoint in gracefulDeleteQueue"), F("1.14-1.22", "Delete rs \"%w\" err: %d"),
		   F("1.14-1.22", "Try delete rs \"%w\" err: %d"), F("1.23-1.36", "Error in deleting real server"))),

	/* ---- kube-ipvs0 ---- */
	ERR("ipvs-link-failed", "kube-ipvs0-up-or-foreign-addr", TOPIC_SYNC, "kube-ipvs0 could not be made", "modprobe dummy; ip link show kube-ipvs0",
	    .name_key = "interface",
	    FORMS(F("1.12-1.21", "Failed to create dummy interface: %n"), F("1.22-1.36", "Failed to create dummy interface"))),
	ERR("ipvs-bind-failed", "kube-ipvs0-up-or-foreign-addr", TOPIC_SYNC, "an address of a Service could not be put on kube-ipvs0", NULL,
	    FORMS(F("1.12-1.21", "Failed to bind service address to dummy device \"%n\""), F("1.22-1.36", "Failed to bind service address to dummy device"))),
	ERR("ipvs-unbind-failed", "kube-ipvs0-up-or-foreign-addr", TOPIC_SYNC, "an address could not be taken off kube-ipvs0", NULL, .name_key = "address",
	    FORMS(F("1.12-1.21", "Failed to unbind service addr %n from dummy interface %w"), F("1.22-1.26", "Failed to unbind service from dummy interface"),
		  F("1.27-1.36", "UnbindAddress"))),
	ERR("ipvs-addresses-unread", "kube-ipvs0-up-or-foreign-addr", TOPIC_SYNC, "the addresses of kube-ipvs0 could not be read", NULL,
	    FORMS(F("1.12-1.26", "Failed to get bind address"), F("1.20-1.36", "error listing addresses binded to dummy interface"))),
	WARN("ipvs-link-kept", "kube-ipvs0-up-or-foreign-addr", TOPIC_NONE, "kube-ipvs0 was not removed with the other leftovers", NULL, .name_key = "device",
	     FORMS(F("1.12-1.21", "Error deleting dummy device %n created by IPVS proxier"), F("1.22-1.36", "Error deleting dummy device created by ipvs proxier"))),
	FINE("ipvs-addresses-removed", NULL, TOPIC_NONE, "addresses are taken off kube-ipvs0", .name_key = "interface", FORMS(F("1.27-1.36", "Removing addresses"))),
	WARN("node-addresses-unread", NULL, TOPIC_SYNC, "the addresses of the node could not be read", NULL, .name_key = "interface",
	     FORMS(F("1.28-1.36", "Reading addresses"), F("1.27-1.36", "Error listing node addresses"), F("1.12-1.26", "Failed to list all node IPs from host"))),
};
TABLE(log_proxy_ipvs);
