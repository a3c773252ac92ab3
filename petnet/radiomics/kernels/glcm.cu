// Grey-level co-occurrence counts of many regions in one launch (IBSI family LFYI).
//
// Regions lie packed one after the other in `levels`; region r has shape (nx, ny, nz) = shapes[3r..],
// C order, first voxel at offsets[r]. Level 0 is outside the mask; levels 1..n_levels count.
// counts[((r * n_directions + d) * n_levels + i - 1) * n_levels + j - 1] receives the number of
// ordered neighbour pairs (i, j) at +direction d and at -direction d: the matrix is symmetric.
//
// blockIdx.x names a tile: tile_size voxels of region tile_region[x], from voxel tile_start[x] on.
// blockIdx.y names the direction. Only integers are added, so the order of threads changes nothing.
// With use_shared the block counts its own pairs in n_levels^2 32-bit cells of dynamic shared memory
// and adds the non-zero ones to `counts` once: thousands of threads would otherwise queue at the few
// cells that a smooth image fills.

extern "C" __global__ void glcm_counts(
    const int *__restrict__ levels, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ directions,
    const int *__restrict__ tile_region, const long long *__restrict__ tile_start,
    int tile_size, int n_directions, int n_levels, int use_shared, unsigned long long *counts)
{
    extern __shared__ unsigned int pair_counts[];

    const int region = tile_region[blockIdx.x];
    const int direction = blockIdx.y;
    const int nx = shapes[3 * region], ny = shapes[3 * region + 1], nz = shapes[3 * region + 2];
    const int dx = directions[3 * direction], dy = directions[3 * direction + 1],
              dz = directions[3 * direction + 2];
    const int *__restrict__ image = levels + offsets[region];
    const long long n_voxels = (long long)nx * ny * nz;
    const long long step = ((long long)dx * ny + dy) * nz + dz;
    const int n_cells = n_levels * n_levels;
    unsigned long long *matrix =
        counts + ((unsigned long long)region * n_directions + direction) * n_cells;

    if (use_shared) {
        for (int cell = threadIdx.x; cell < n_cells; cell += blockDim.x) pair_counts[cell] = 0;
        __syncthreads();
    }
    for (int k = threadIdx.x; k < tile_size; k += blockDim.x) {
        const long long voxel = tile_start[blockIdx.x] + k;
        if (voxel >= n_voxels) break;
        const int i = image[voxel];
        if (i == 0) continue;
        const int z = (int)(voxel % nz) + dz;
        const int y = (int)((voxel / nz) % ny) + dy;
        const int x = (int)(voxel / ((long long)nz * ny)) + dx;
        if (x < 0 || x >= nx || y < 0 || y >= ny || z < 0 || z >= nz) continue;
        const int j = image[voxel + step];
        if (j == 0) continue;
        const int cell = (i - 1) * n_levels + j - 1;
        if (use_shared) {
            atomicAdd(&pair_counts[cell], 1u);
        } else {
            atomicAdd(&matrix[cell], 1ull);
            atomicAdd(&matrix[(j - 1) * n_levels + i - 1], 1ull);
        }
    }
    if (use_shared) {
        __syncthreads();
        for (int cell = threadIdx.x; cell < n_cells; cell += blockDim.x) {
            const unsigned long long pairs = pair_counts[cell];
            if (pairs == 0) continue;
            atomicAdd(&matrix[cell], pairs);
            atomicAdd(&matrix[(cell % n_levels) * n_levels + cell / n_levels], pairs);
        }
    }
}
