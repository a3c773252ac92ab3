// Shape of many masks in integers: patterns of the marching-cubes mesh, and moments of coordinates.
//
// Masks lie packed in `inside`: region r has shape (nx, ny, nz) = shapes[3r..], C order, first voxel at
// offsets[r], fewer than 2^31 voxels. blockIdx.x names a tile: tile_size cells or voxels of region
// tile_region[x], from tile_start[x] on. Blocks add in shared memory first, and to the totals once.

// patterns[(r * 256 + pattern) * 2] receives the number of cells of 2x2x2 voxels with that pattern, and
// the next place the sum of their x. Cells are those of the box padded by one voxel on every side, so
// that the surface is closed; bit 4x + 2y + z of a pattern is the corner (x, y, z) of its cell.
extern "C" __global__ void mesh_patterns(
    const unsigned char *__restrict__ inside, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, unsigned long long *patterns)
{
    extern __shared__ unsigned long long pattern_counts[];

    const int region = tile_region[blockIdx.x];
    const int nx = shapes[3 * region], ny = shapes[3 * region + 1], nz = shapes[3 * region + 2];
    const unsigned char *__restrict__ mask = inside + offsets[region];
    const long long n_cells = (long long)(nx + 1) * (ny + 1) * (nz + 1);

    for (int place = threadIdx.x; place < 512; place += blockDim.x) pattern_counts[place] = 0;
    __syncthreads();
    // Most cells lie wholly without or within (patterns 0 and 255): each thread counts its own.
    unsigned long long n_without = 0, x_without = 0, n_within = 0, x_within = 0;
    for (int k = threadIdx.x; k < tile_size; k += blockDim.x) {
        const long long cell = tile_start[blockIdx.x] + k;
        if (cell >= n_cells) break;
        const unsigned int line = (unsigned int)cell / (nz + 1);
        const int cell_z = (int)((unsigned int)cell % (nz + 1));
        const int cell_y = (int)(line % (ny + 1)), cell_x = (int)(line / (ny + 1));
        int pattern = 0;
        for (int corner = 0; corner < 8; ++corner) {
            const int x = cell_x - 1 + (corner >> 2), y = cell_y - 1 + (corner >> 1 & 1),
                      z = cell_z - 1 + (corner & 1);
            if (x < 0 || x >= nx || y < 0 || y >= ny || z < 0 || z >= nz) continue;
            pattern |= (mask[((long long)x * ny + y) * nz + z] != 0) << corner;
        }
        if (pattern == 0) {
            n_without += 1;
            x_without += cell_x;
        } else if (pattern == 255) {
            n_within += 1;
            x_within += cell_x;
        } else {
            atomicAdd(&pattern_counts[2 * pattern], 1ull);
            atomicAdd(&pattern_counts[2 * pattern + 1], (unsigned long long)cell_x);
        }
    }
    atomicAdd(&pattern_counts[0], n_without);
    atomicAdd(&pattern_counts[1], x_without);
    atomicAdd(&pattern_counts[510], n_within);
    atomicAdd(&pattern_counts[511], x_within);
    __syncthreads();
    for (int place = threadIdx.x; place < 512; place += blockDim.x) {
        const unsigned long long sum = pattern_counts[place];
        if (sum > 0) atomicAdd(&patterns[512ll * region + place], sum);
    }
}

// moments[r * 10 ...] receives the sums of 1, x, y, z, xx, yy, zz, xy, xz, yz over the voxels inside,
// in voxels from the corner of the box.
extern "C" __global__ void coordinate_moments(
    const unsigned char *__restrict__ inside, const long long *__restrict__ offsets,
    const int *__restrict__ shapes, const int *__restrict__ tile_region,
    const long long *__restrict__ tile_start, int tile_size, unsigned long long *moments)
{
    extern __shared__ unsigned long long moment_sums[];

    const int region = tile_region[blockIdx.x];
    const int nx = shapes[3 * region], ny = shapes[3 * region + 1], nz = shapes[3 * region + 2];
    const long long n_voxels = (long long)nx * ny * nz;

    for (int place = threadIdx.x; place < 10; place += blockDim.x) moment_sums[place] = 0;
    __syncthreads();
    unsigned long long own[10] = {};
    for (int k = threadIdx.x; k < tile_size; k += blockDim.x) {
        const long long voxel = tile_start[blockIdx.x] + k;
        if (voxel >= n_voxels) break;
        if (inside[offsets[region] + voxel] == 0) continue;
        const unsigned int line = (unsigned int)voxel / nz;
        const unsigned long long z = (unsigned int)voxel % nz, y = line % ny, x = line / ny;
        const unsigned long long terms[10] = {1, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z};
        for (int place = 0; place < 10; ++place) own[place] += terms[place];
    }
    for (int place = 0; place < 10; ++place) {
        if (own[0] > 0) atomicAdd(&moment_sums[place], own[place]);
    }
    __syncthreads();
    for (int place = threadIdx.x; place < 10; place += blockDim.x) {
        if (moment_sums[place] > 0) atomicAdd(&moments[10ll * region + place], moment_sums[place]);
    }
}
