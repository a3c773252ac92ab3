// What the kernels that visit voxels share: packed regions, and the tile of them that a block counts.
//
// Regions lie packed one after the other in `levels`; region r has shape (nx, ny, nz) = shapes[3r..],
// C order, first voxel at offsets[r], fewer than 2^31 voxels. Level 0 is outside the mask; levels
// 1..n_levels count.
//
// blockIdx.x names a tile, tiles[3x..] = (region, row, start): tile_size voxels of the region from
// voxel `start` on, whose counts go to one row. With by_slice a row is a slice and its voxels are the
// nz-th ones from `start` on; else they follow one another. One row per block is what lets a block
// count in shared memory and add its sums to the row once: thousands of threads would otherwise queue
// at the few cells that a smooth image fills. No tile can overflow 32 bits: TILE_VOXELS in cuda.py.

struct Tile {
    const int *__restrict__ image;
    int nx, ny, nz;
    long long row, start, n_voxels;
    int stride;

    __device__ Tile(const int *levels, const long long *offsets, const int *shapes,
                    const long long *tiles, int by_slice)
    {
        const long long *tile = tiles + 3ll * blockIdx.x;
        const int *shape = shapes + 3 * tile[0];
        image = levels + offsets[tile[0]];
        nx = shape[0], ny = shape[1], nz = shape[2];
        row = tile[1], start = tile[2];
        n_voxels = (long long)nx * ny * nz;
        stride = by_slice ? nz : 1;
    }
    // Number of the tile's k-th voxel; at least n_voxels beyond the last one of the row.
    __device__ long long voxel(int k) const { return start + (long long)k * stride; }
    __device__ int level_at(int x, int y, int z) const
    {
        if (x < 0 || x >= nx || y < 0 || y >= ny || z < 0 || z >= nz) return 0;
        return image[(x * ny + y) * nz + z]; // 32 bits suffice for the voxels of a region
    }
};

struct Voxel {
    int x, y, z, level;

    // 32-bit division costs a fraction of 64-bit division, and only voxels of the mask need it.
    __device__ Voxel(const Tile &tile, long long voxel) : x(0), y(0), z(0), level(tile.image[voxel])
    {
        if (level == 0) return;
        const unsigned int line = (unsigned int)voxel / tile.nz;
        z = (int)((unsigned int)voxel % tile.nz);
        y = (int)(line % tile.ny);
        x = (int)(line / tile.ny);
    }
};

__device__ inline void clear_shared(unsigned int *cells, int n_cells)
{
    for (int cell = threadIdx.x; cell < n_cells; cell += blockDim.x) cells[cell] = 0;
    __syncthreads();
}
