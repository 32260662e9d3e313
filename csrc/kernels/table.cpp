// The table of one instruction set. core/dispatch finds it by the name of its namespace.
#include "kernels/tuning/tuning.h"

#define SQZ_TEXT2(x) #x
#define SQZ_TEXT(x) SQZ_TEXT2(x)

#if defined(SQZ_ISA_AVX512)
#define SQZ_RESIZE_ISA avx2
#else
#define SQZ_RESIZE_ISA SQZ_ISA
#endif

namespace sqz {
namespace SQZ_RESIZE_ISA {
void resize_rows_u8(const ResizeRowsArgs&, int, int);
void resize_columns_f32(const ResizeColumnsArgs&, int, int);
}  // namespace SQZ_RESIZE_ISA

namespace SQZ_ISA {

int64_t conv_items(const ConvArgs&);
void conv_f32(const ConvArgs&, int64_t, int64_t);
int64_t squeeze_items(const ConvArgs&);
void squeeze_f32(const ConvArgs&, int64_t, int64_t);
int64_t winograd_input_items(const WinogradArgs&);
void winograd_input_f32(const WinogradArgs&, int64_t, int64_t);
int64_t winograd_output_items(const WinogradArgs&);
void winograd_output_f32(const WinogradArgs&, int64_t, int64_t, float*);
int64_t classifier_lists(const ClassifierArgs&);
int64_t classifier_list_items(const ClassifierArgs&);
void classifier_list_f32(const ClassifierArgs&, int64_t, int64_t);
int64_t classifier_items(const ClassifierArgs&);
void classifier_f32(const ClassifierArgs&, int64_t, int64_t);
int64_t maxpool_items(const MaxPoolArgs&);
void maxpool_f32(const MaxPoolArgs&, int64_t, int64_t);
int64_t add_items(const AddArgs&);
void add_f32(const AddArgs&, int64_t, int64_t);
void softmax_f32(const float*, float*, int, int);

extern const KernelTable kTable;
// clang-format off
const KernelTable kTable = {
    kTableVersion,
    SQZ_TEXT(SQZ_ISA),
    kLanes,
    kConvMr,
    kConvNr,
    kMaxTile,
    kStemTile,
    kTileStep,
    kFilterTiles,
    conv_items,
    conv_f32,
    squeeze_items,
    squeeze_f32,
    winograd_input_items,
    winograd_input_f32,
    winograd_output_items,
    winograd_output_f32,
    classifier_lists,
    classifier_list_items,
    classifier_list_f32,
    classifier_items,
    classifier_f32,
    maxpool_items,
    maxpool_f32,
    add_items,
    add_f32,
    softmax_f32,
    SQZ_RESIZE_ISA::resize_rows_u8,
    SQZ_RESIZE_ISA::resize_columns_f32,
};
// clang-format on

}  // namespace SQZ_ISA
}  // namespace sqz
