# A real one-node Kubernetes with Berth installed, left running. Included by the Makefile.

cluster: node_modules/.installed image ## a one-node Kubernetes with Berth installed, left running (Linux, root, Go)
	@$(NODE) test/support/cluster.ts up

cluster-down: node_modules/.installed ## ends what make cluster started
	@$(NODE) test/support/cluster.ts down

.PHONY: cluster cluster-down
