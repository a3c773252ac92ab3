// Grey-level run-length counts of many regions in one launch (IBSI family TP0I).
#include "regions.cuh"

// counts[((row * n_directions + d) * n_levels + level - 1) * longest + n - 1] receives the number of
// runs of n voxels of one level along direction d.
//
// blockIdx.y names the direction. The voxel whose predecessor has another level begins a run, and its
// thread walks the run to the end: a run may leave the tile, but belongs to the tile it begins in.
// Runs of up to short_runs voxels, which are most, are counted in n_levels x short_runs cells of
// dynamic shared memory; longer ones go to `counts` one by one.
extern "C" __global__ void glrlm_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const long long *__restrict__ tiles, int tile_size,
    int by_slice, const int *__restrict__ directions, int n_directions, int n_levels, int longest,
    int short_runs, unsigned long long *counts)
{
    extern __shared__ unsigned int run_counts[];

    const Tile tile(levels, offsets, shapes, tiles, by_slice);
    const int dx = directions[3 * blockIdx.y], dy = directions[3 * blockIdx.y + 1],
              dz = directions[3 * blockIdx.y + 2];
    const int n_cells = n_levels * short_runs;
    unsigned long long *matrix =
        counts + (tile.row * n_directions + blockIdx.y) * n_levels * longest;

    clear_shared(run_counts, n_cells);
    for (int k = threadIdx.x; k < tile_size && tile.voxel(k) < tile.n_voxels; k += blockDim.x) {
        const Voxel voxel(tile, tile.voxel(k));
        const int level = voxel.level;
        int x = voxel.x, y = voxel.y, z = voxel.z;
        if (level == 0 || tile.level_at(x - dx, y - dy, z - dz) == level) continue;
        int length = 0;
        do {
            ++length;
            x += dx, y += dy, z += dz;
        } while (tile.level_at(x, y, z) == level);
        if (length <= short_runs)
            atomicAdd(&run_counts[(level - 1) * short_runs + length - 1], 1u);
        else
            atomicAdd(&matrix[(level - 1) * longest + length - 1], 1ull);
    }
    __syncthreads();
    for (int cell = threadIdx.x; cell < n_cells; cell += blockDim.x) {
        const unsigned long long runs = run_counts[cell];
        const int place = cell / short_runs * longest + cell % short_runs;
        if (runs != 0) atomicAdd(&matrix[place], runs);
    }
}
