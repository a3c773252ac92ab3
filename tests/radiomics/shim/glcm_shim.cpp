// The co-occurrence kernel behind a C function that ctypes can call.
#include "cuda_shim.hpp"

extern "C" {
alignas(16) unsigned int pair_counts[48 * 1024 / sizeof(unsigned int)];
}

#include "glcm.cu"

extern "C" void launch_glcm_counts(
    unsigned grid_x, unsigned grid_y, unsigned block_x, const int *levels, const long long *offsets,
    const int *shapes, const int *directions, const int *tile_region, const long long *tile_start,
    int tile_size, int n_directions, int n_levels, int use_shared, unsigned long long *counts)
{
    shim::launch({grid_x, grid_y, 1}, {block_x, 1, 1}, [&] {
        glcm_counts(levels, offsets, shapes, directions, tile_region, tile_start, tile_size,
                    n_directions, n_levels, use_shared, counts);
    });
}
