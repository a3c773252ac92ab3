// Grey-level co-occurrence counts of many regions in one launch (IBSI family LFYI).
#include "regions.cuh"

// counts[((row * n_directions + d) * n_levels + i - 1) * n_levels + j - 1] receives the number of
// ordered neighbour pairs (i, j) at +direction d and at -direction d: the matrix is symmetric.
//
// blockIdx.y names the direction. Only integers are added, so the order of threads changes nothing.
// With use_shared the block counts its own pairs in dynamic shared memory: the lower triangle, of
// n_levels (n_levels + 1) / 2 cells, since (i, j) and (j, i) are one.
extern "C" __global__ void glcm_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const long long *__restrict__ tiles, int tile_size,
    int by_slice, const int *__restrict__ directions, int n_directions, int n_levels,
    int use_shared, unsigned long long *counts)
{
    extern __shared__ unsigned int pair_counts[];

    const Tile tile(levels, offsets, shapes, tiles, by_slice);
    const int *step = directions + 3 * blockIdx.y;
    unsigned long long *matrix =
        counts + (tile.row * n_directions + blockIdx.y) * n_levels * n_levels;

    if (use_shared) clear_shared(pair_counts, n_levels * (n_levels + 1) / 2);
    for (int k = threadIdx.x; k < tile_size && tile.voxel(k) < tile.n_voxels; k += blockDim.x) {
        const Voxel voxel(tile, tile.voxel(k));
        if (voxel.level == 0) continue;
        const int j = tile.level_at(voxel.x + step[0], voxel.y + step[1], voxel.z + step[2]) - 1;
        const int i = voxel.level - 1;
        if (j < 0) continue;
        if (use_shared) {
            const int high = max(i, j), low = min(i, j);
            atomicAdd(&pair_counts[high * (high + 1) / 2 + low], 1u);
        } else {
            atomicAdd(&matrix[i * n_levels + j], 1ull);
            atomicAdd(&matrix[j * n_levels + i], 1ull);
        }
    }
    if (!use_shared) return;
    __syncthreads();
    for (int cell = threadIdx.x; cell < n_levels * n_levels; cell += blockDim.x) {
        const int i = cell / n_levels, j = cell % n_levels;
        const unsigned long long pairs = j > i ? 0 : pair_counts[i * (i + 1) / 2 + j];
        if (pairs == 0) continue;
        atomicAdd(&matrix[i * n_levels + j], pairs);
        atomicAdd(&matrix[j * n_levels + i], pairs);
    }
}
