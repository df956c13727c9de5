# The container image, built without a container engine. IMAGE_FLAGS=--update takes the newest inputs.
image: node_modules/.installed ## the image for amd64 and arm64: out/image/ and out/berth-ARCH.tar
	$(NODE) image/build.ts $(IMAGE_FLAGS)

.PHONY: image
