// Voxels per grey level of many regions in one launch.
#include "regions.cuh"

// counts[row * n_levels + level - 1] receives the number of voxels of a level. The block counts in
// n_levels cells of dynamic shared memory.
extern "C" __global__ void histogram_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const long long *__restrict__ tiles, int tile_size,
    int by_slice, int n_levels, unsigned long long *counts)
{
    extern __shared__ unsigned int voxel_counts[];

    const Tile tile(levels, offsets, shapes, tiles, by_slice);
    clear_shared(voxel_counts, n_levels);
    for (int k = threadIdx.x; k < tile_size && tile.voxel(k) < tile.n_voxels; k += blockDim.x) {
        const int level = tile.image[tile.voxel(k)];
        if (level != 0) atomicAdd(&voxel_counts[level - 1], 1u);
    }
    __syncthreads();
    for (int cell = threadIdx.x; cell < n_levels; cell += blockDim.x) {
        const unsigned long long voxels = voxel_counts[cell];
        if (voxels != 0) atomicAdd(&counts[tile.row * n_levels + cell], voxels);
    }
}
