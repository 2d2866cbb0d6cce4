/**
 * What a language model runs on.
 *
 * `cpu` is the default. `cuda` is NVIDIA's, through a library that ONNX Runtime fetches apart (some
 * 300 MB); `webgpu` is any GPU with a Vulkan driver, and needs nothing besides.
 */
export const DEVICE_TYPES = ["cpu", "cuda", "webgpu"] as const;
export type DeviceType = (typeof DEVICE_TYPES)[number];
