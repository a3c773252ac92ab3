// Neighbourhood grey-tone differences and grey-level dependences of many regions in one launch (IBSI
// families IPET and REK0): the same walk over the neighbours of each voxel serves both.
#include "regions.cuh"

// Add the voxels of a tile to differences (n_levels, n_k, 2) and dependences (n_levels, n_k).
template <class Count>
__device__ void add_neighbourhoods(const Tile &tile, int tile_size, int reach_z, int n_k, int alpha,
                                   Count *differences, Count *dependences)
{
    for (int k = threadIdx.x; k < tile_size && tile.voxel(k) < tile.n_voxels; k += blockDim.x) {
        const Voxel voxel(tile, tile.voxel(k));
        const int level = voxel.level;
        if (level == 0) continue;
        const int x_last = min(voxel.x + 1, tile.nx - 1), y_last = min(voxel.y + 1, tile.ny - 1),
                  z_last = min(voxel.z + reach_z, tile.nz - 1);
        int number = -1, sum = -level, dependent = -1; // the voxel itself is no neighbour
        for (int x = max(voxel.x - 1, 0); x <= x_last; ++x)
            for (int y = max(voxel.y - 1, 0); y <= y_last; ++y) {
                const int *line = tile.image + (x * tile.ny + y) * tile.nz;
                for (int z = max(voxel.z - reach_z, 0); z <= z_last; ++z) {
                    const int other = line[z];
                    number += other != 0;
                    sum += other;
                    dependent += other != 0 && abs(other - level) <= alpha;
                }
            }
        const int cell = (level - 1) * n_k + number;
        atomicAdd(&differences[2 * cell], (Count)1);
        atomicAdd(&differences[2 * cell + 1], (Count)abs(level * number - sum));
        atomicAdd(&dependences[(level - 1) * n_k + dependent], (Count)1);
    }
}

// Neighbours are the 8 in the slice (reach_z 0, n_k = 9) or all 26 (reach_z 1, n_k = 27).
// ngtdm[((row * n_levels + level - 1) * n_k + k) * 2] receives the number of voxels of a level with k
// neighbours in the mask, the next cell the sum of |level k - sum of the neighbours| over them.
// ngldm[(row * n_levels + level - 1) * n_k + k] receives the number of voxels of a level with k
// neighbours in the mask whose levels differ by at most alpha.
//
// With use_shared the block counts in 3 x n_levels x n_k cells of dynamic shared memory.
extern "C" __global__ void neighbour_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const long long *__restrict__ tiles, int tile_size,
    int by_slice, int reach_z, int n_levels, int alpha, int use_shared, unsigned long long *ngtdm,
    unsigned long long *ngldm)
{
    extern __shared__ unsigned int neighbourhoods[];

    const Tile tile(levels, offsets, shapes, tiles, by_slice);
    const int n_k = reach_z ? 27 : 9, n_cells = n_levels * n_k;
    unsigned long long *differences = ngtdm + 2 * tile.row * n_cells;
    unsigned long long *dependences = ngldm + tile.row * n_cells;

    if (!use_shared) {
        add_neighbourhoods(tile, tile_size, reach_z, n_k, alpha, differences, dependences);
        return;
    }
    clear_shared(neighbourhoods, 3 * n_cells);
    add_neighbourhoods(tile, tile_size, reach_z, n_k, alpha, neighbourhoods,
                       neighbourhoods + 2 * n_cells);
    __syncthreads();
    for (int cell = threadIdx.x; cell < 3 * n_cells; cell += blockDim.x) {
        const unsigned long long found = neighbourhoods[cell];
        if (found == 0) continue;
        if (cell < 2 * n_cells)
            atomicAdd(&differences[cell], found);
        else
            atomicAdd(&dependences[cell - 2 * n_cells], found);
    }
}
