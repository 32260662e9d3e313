// The table of one instruction set. core/dispatch finds it by the name of its namespace.
#include "vec.h"

#define SQZ_TEXT2(x) #x
#define SQZ_TEXT(x) SQZ_TEXT2(x)

namespace sqz {
namespace SQZ_ISA {

int64_t conv_items(const ConvArgs&);
void conv_f32(const ConvArgs&, int64_t, int64_t);
int64_t classifier_items(const ClassifierArgs&);
void classifier_f32(const ClassifierArgs&, int64_t, int64_t);
int64_t maxpool_items(const MaxPoolArgs&);
void maxpool_f32(const MaxPoolArgs&, int64_t, int64_t);
int64_t add_items(const AddArgs&);
void add_f32(const AddArgs&, int64_t, int64_t);
void softmax_f32(const float*, float*, int, int);
void resize_rows_u8(const ResizeRowsArgs&, int, int);
void resize_columns_f32(const ResizeColumnsArgs&, int, int);

extern const KernelTable kTable;
const KernelTable kTable = {
    kTableVersion,  SQZ_TEXT(SQZ_ISA), kLanes,         kConvMr,
    kConvNr,        conv_items,        conv_f32,       classifier_items,
    classifier_f32, maxpool_items,     maxpool_f32,    add_items,
    add_f32,        softmax_f32,       resize_rows_u8, resize_columns_f32,
};

}  // namespace SQZ_ISA
}  // namespace sqz
