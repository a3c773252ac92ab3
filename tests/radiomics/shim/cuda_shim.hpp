// Runs a CUDA kernel on the CPU: one true thread per thread of a block, blocks one after the other.
//
// Covers what petnet's kernels use: threadIdx, blockIdx, blockDim and gridDim (threads along x only),
// atomics, __threadfence, __syncthreads, static and dynamic shared memory. Shared memory is not
// cleared between blocks, just as on a GPU, so that a kernel that forgets to do so is found out.
// Bytes beyond those that the launch asked for hold a canary that must outlive every block.
#pragma once
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static // dynamic shared memory is rewritten to shim::dynamic_shared
#define __syncthreads() shim::block_barrier->arrive_and_wait()
#define __threadfence() std::atomic_thread_fence(std::memory_order_seq_cst)

using std::max;
using std::min;
using std::sqrt;

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
inline thread_local dim3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

// CUDA's atomics are functions of one type each; here the address decides the type.
template <class T> T atomicAdd(T *address, std::type_identity_t<T> value)
{
    return std::atomic_ref<T>(*address).fetch_add(value, std::memory_order_relaxed);
}

template <class T> T atomicExch(T *address, std::type_identity_t<T> value)
{
    return std::atomic_ref<T>(*address).exchange(value, std::memory_order_relaxed);
}

template <class T>
T atomicCAS(T *address, std::type_identity_t<T> expected, std::type_identity_t<T> value)
{
    std::atomic_ref<T>(*address).compare_exchange_strong(expected, value);
    return expected;
}

template <class T> T atomicMin(T *address, std::type_identity_t<T> value)
{
    T seen = std::atomic_ref<T>(*address).load();
    while (value < seen && !std::atomic_ref<T>(*address).compare_exchange_weak(seen, value)) {}
    return seen;
}

template <class T> T atomicMax(T *address, std::type_identity_t<T> value)
{
    T seen = std::atomic_ref<T>(*address).load();
    while (value > seen && !std::atomic_ref<T>(*address).compare_exchange_weak(seen, value)) {}
    return seen;
}

namespace shim {
inline std::barrier<> *block_barrier = nullptr;

// What a block may ask for, and as much again for the canary: a trespass stays in the array.
constexpr unsigned most_shared = 48 * 1024;
alignas(16) inline unsigned char dynamic_shared[2 * most_shared];

// Returns how many blocks wrote beyond the shared memory that was asked for.
template <class Kernel> int launch(dim3 grid, dim3 block, unsigned shared_bytes, Kernel kernel)
{
    constexpr unsigned char canary = 0xA5;
    gridDim = grid;
    blockDim = block;
    std::barrier<> barrier(block.x);
    block_barrier = &barrier;
    unsigned char *const first = dynamic_shared + shared_bytes;
    const std::size_t beyond = sizeof dynamic_shared - shared_bytes;
    const std::vector<unsigned char> intact(beyond, canary);
    std::fill_n(first, beyond, canary);
    int trespasses = 0;
    auto check = [&]() noexcept {
        if (std::memcmp(first, intact.data(), beyond) == 0) return;
        ++trespasses;
        std::fill_n(first, beyond, canary);
    };
    std::barrier end_of_block(block.x, check); // shared memory belongs to one block at a time
    auto run = [&](unsigned thread) {
        threadIdx = {thread, 0, 0};
        for (unsigned z = 0; z < grid.z; ++z) {
            for (unsigned y = 0; y < grid.y; ++y) {
                for (unsigned x = 0; x < grid.x; ++x) {
                    blockIdx = {x, y, z};
                    kernel();
                    end_of_block.arrive_and_wait();
                }
            }
        }
    };
    {
        std::vector<std::jthread> threads;
        for (unsigned thread = 0; thread < block.x; ++thread) threads.emplace_back(run, thread);
    }
    return trespasses;
}
} // namespace shim
