// The co-occurrence kernel behind a C function that ctypes can call.
#include "cuda_shim.hpp"

extern "C" {
// What a block may ask for, and as much again for the canary: a trespass stays in the array.
alignas(16) unsigned int pair_counts[2 * 48 * 1024 / sizeof(unsigned int)];
}

#include "glcm.cu"

extern "C" int launch_glcm_counts(
    unsigned grid_x, unsigned grid_y, unsigned block_x, unsigned shared_bytes, const int *levels,
    const long long *offsets, const int *shapes, const int *directions, const int *tile_region,
    const long long *tile_start, int tile_size, int n_directions, int n_levels, int use_shared,
    unsigned long long *counts)
{
    const shim::SharedMemory shared{(unsigned char *)pair_counts, sizeof pair_counts, shared_bytes};
    return shim::launch({grid_x, grid_y, 1}, {block_x, 1, 1}, shared, [&] {
        glcm_counts(levels, offsets, shapes, directions, tile_region, tile_start, tile_size,
                    n_directions, n_levels, use_shared, counts);
    });
}
