// Grey-level co-occurrence counts of many regions in one launch (IBSI family LFYI).
#include "regions.cuh"

// counts[((row * n_directions + d) * n_levels + i - 1) * n_levels + j - 1] receives the number of
// ordered neighbour pairs (i, j) at +direction d and at -direction d: the matrix is symmetric.
//
// blockIdx.y names the direction. Only integers are added, so the order of threads changes nothing.
// With use_shared the block counts its own pairs in n_levels^2 cells of dynamic shared memory.
extern "C" __global__ void glcm_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const long long *__restrict__ tiles, int tile_size,
    int by_slice, const int *__restrict__ directions, int n_directions, int n_levels,
    int use_shared, unsigned long long *counts)
{
    extern __shared__ unsigned int pair_counts[];

    const Tile tile(levels, offsets, shapes, tiles, by_slice);
    const int *step = directions + 3 * blockIdx.y;
    const int n_cells = n_levels * n_levels;
    unsigned long long *matrix = counts + (tile.row * n_directions + blockIdx.y) * n_cells;

    if (use_shared) clear_shared(pair_counts, n_cells);
    for (int k = threadIdx.x; k < tile_size && tile.voxel(k) < tile.n_voxels; k += blockDim.x) {
        const Voxel voxel(tile, tile.voxel(k));
        if (voxel.level == 0) continue;
        const int j = tile.level_at(voxel.x + step[0], voxel.y + step[1], voxel.z + step[2]) - 1;
        const int i = voxel.level - 1;
        if (j < 0) continue;
        if (use_shared) {
            atomicAdd(&pair_counts[i * n_levels + j], 1u);
        } else {
            atomicAdd(&matrix[i * n_levels + j], 1ull);
            atomicAdd(&matrix[j * n_levels + i], 1ull);
        }
    }
    if (!use_shared) return;
    __syncthreads();
    for (int cell = threadIdx.x; cell < n_cells; cell += blockDim.x) {
        const unsigned long long pairs = pair_counts[cell];
        if (pairs == 0) continue;
        atomicAdd(&matrix[cell], pairs);
        atomicAdd(&matrix[(cell % n_levels) * n_levels + cell / n_levels], pairs);
    }
}
